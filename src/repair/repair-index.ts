/** The files of the index: one that is damaged is read as far as possible, and made anew of that. */
import { existsSync } from 'node:fs'
import { BlockFile } from '../device/block-file.ts'
import type { Ring } from '../device/device.ts'
import { FileRing } from '../device/file-parts.ts'
import type { VolumePaths } from '../device/layout.ts'
import { verifyLevel } from '../device/level/verify.ts'
import { hasDatabase } from '../device/open-level.ts'
import { lockVolume } from '../device/volume-lock.ts'
import { FsError } from '../errors.ts'
import { MARKER_KEY } from '../store/keys.ts'
import { type Marker, decodeMarker } from '../store/marker.ts'
import { openValue } from '../store/metadata.ts'
import type { Superblock } from '../store/superblock.ts'
import { volumeMark } from '../volume/open.ts'
import { rebuildIndex, resumeRebuild } from './rebuild-index.ts'
import type { RepairReport } from './report.ts'
import { type Entries, salvageIndex } from './salvage-index.ts'
import { salvageRing } from './salvage-ring.ts'

/**
 * Returns whether there is an index that can be opened now. Throws FsError EBUSY when another process
 * has the volume open.
 */
export async function repairIndex(
  paths: VolumePaths,
  superblock: Superblock,
  report: RepairReport,
  { dryRun }: { readonly dryRun: boolean },
): Promise<boolean> {
  if (!dryRun && resumeRebuild(paths)) report.mend('the index: an earlier repair is carried on')
  const isThere = existsSync(paths.index) && hasDatabase(paths.index)
  if (isThere && (await verifyLevel(paths.index)).length === 0) return true
  const unlock = lockVolume(paths.folder)
  try {
    const salvaged = await salvageIndex(paths.index, report)
    const entries = await choose(paths, superblock, salvaged)
    if (entries.size === 0) {
      const hint = 'nothing of its index is left; if there is a copy of the folder, put it back'
      throw new FsError('EIO', `Cannot repair "${paths.folder}": ${hint}`)
    }
    const what = `the index is made anew of ${entries.size} entries`
    if (dryRun) {
      report.mend(`${what}; what more there is to do is known only then`)
      return false
    }
    const kept = await rebuildIndex(paths, entries)
    report.mend(`${what}; the old one is kept as "${kept}", and may be removed`)
    return true
  } finally {
    unlock()
  }
}

/**
 * Goes back to what was in front of a damaged batch if the ring still has all commits since then:
 * nothing is lost by that, and what later batches say is in these commits, too.
 */
async function choose(
  paths: VolumePaths,
  superblock: Superblock,
  { before, all }: { readonly before: Entries; readonly all: Entries },
): Promise<Entries> {
  if (before === all) return all
  const marker = markerIn(before)
  if (marker === undefined) return all
  const file = new BlockFile(paths.blocks, true)
  try {
    const ring: Ring = new FileRing(file, superblock)
    const mark = volumeMark(superblock)
    const { commitSeq, damage } = salvageRing(ring, marker, mark, () => undefined)
    const isComplete = damage === undefined && commitSeq >= (markerIn(all)?.commitSeq ?? 0)
    return isComplete ? before : all
  } finally {
    await file.close()
  }
}

function markerIn(entries: Entries): Marker | undefined {
  const value = entries.get(MARKER_KEY)
  try {
    return value === undefined ? undefined : decodeMarker(openValue(MARKER_KEY, value))
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}
