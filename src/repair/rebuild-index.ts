/**
 * Puts a new index in the place of a damaged one, which is kept as `lost+index-N`.
 *
 * Order, and what a crash after each step leaves:
 *
 *   1. the new one is made as `index.building`, durably. The old one is untouched; the next repair
 *      removes this one and begins again.
 *   2. it is renamed to `index.new`: it is whole. The next repair removes it and begins again, for
 *      the old one is still there.
 *   3. `index` is renamed to `lost+index-N`. There is no index, and `index.new` is to be it: the next
 *      repair goes on with step 4.
 *   4. `index.new` is renamed to `index`, and the folder is durable.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { VolumePaths } from '../device/layout.ts'
import { syncPath } from '../device/file-io.ts'
import { onHost } from '../device/host-error.ts'
import { type LockedLevel, openLevel } from '../device/open-level.ts'
import type { Entries } from './salvage-index.ts'

const BATCH_BYTES = 1024 * 1024

const buildingOf = ({ folder }: VolumePaths): string => join(folder, 'index.building')
const newOf = ({ folder }: VolumePaths): string => join(folder, 'index.new')

/** Goes on where an earlier repair was cut off; returns whether the index is new by that. */
export function resumeRebuild(paths: VolumePaths): boolean {
  return onHost('repair', paths.index, () => {
    rmSync(buildingOf(paths), { recursive: true, force: true })
    if (!existsSync(newOf(paths))) return false
    if (existsSync(paths.index)) {
      rmSync(newOf(paths), { recursive: true, force: true })
      return false
    }
    renameSync(newOf(paths), paths.index) // 4.
    syncPath(paths.folder)
    return true
  })
}

/** Returns the name under which the old index is kept. */
export async function rebuildIndex(paths: VolumePaths, entries: Entries): Promise<string> {
  const building = buildingOf(paths)
  onHost('make', building, () => {
    mkdirSync(building)
  })
  const level = await openLevel(building, 'create') // 1.
  try {
    await fill(level, entries)
  } finally {
    await level.close()
  }
  return onHost('repair', paths.index, () => {
    syncFiles(building)
    renameSync(building, newOf(paths)) // 2.
    syncPath(paths.folder)
    const kept = freeName(paths)
    renameSync(paths.index, join(paths.folder, kept)) // 3.
    syncPath(paths.folder)
    renameSync(newOf(paths), paths.index) // 4.
    syncPath(paths.folder)
    return kept
  })
}

async function fill({ database }: LockedLevel, entries: Entries): Promise<void> {
  let batch = database.batch()
  let bytes = 0
  for (const [key, value] of entries) {
    batch.put(Buffer.from(key, 'latin1'), value)
    bytes += key.length + value.length
    if (bytes < BATCH_BYTES) continue
    await batch.write({ sync: true })
    batch = database.batch()
    bytes = 0
  }
  await batch.write({ sync: true })
}

function syncFiles(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name !== 'LOCK' && statSync(path).isFile()) syncPath(path)
  }
  syncPath(folder)
}

function freeName({ folder }: VolumePaths): string {
  let number = 1
  while (existsSync(join(folder, `lost+index-${number}`))) number++
  return `lost+index-${number}`
}
