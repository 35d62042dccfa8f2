/**
 * Cuts off the end of a manifest what a power cut has torn.
 *
 * LevelDB flushes each record of its manifest, and removes what the record makes useless only after
 * that. So of a torn one nobody has relied on anything, and all that the records before it name is
 * there. LevelDB itself leaves out a record that ends too early or is zeros; one of which the disk has
 * some sectors and not the others it takes for damage, and refuses to open. ext4 and XFS can leave
 * that: a record that goes into the last block of a file may be in its size before it is in its data.
 *
 * What is cut off is a last record and nothing else: one with whole ones behind it is damage. If it
 * was not torn but damaged later, files that it made useless are gone, and `verifyBeforeOpening`
 * misses them. A crash in here leaves the manifest as it was, or cut.
 */
import { readFileSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { onHost } from '../host-error.ts'
import { lockVolume } from '../volume-lock.ts'
import { endOfWhole, verifyLog } from './log.ts'

/** Requires: `verifyBeforeOpening` has no objection. Throws FsError EBUSY when the volume is in use. */
export function mendManifest(path: string): void {
  if (findTear(path) === undefined) return
  const unlock = lockVolume(dirname(path))
  try {
    // Until it was locked, another may have been at work.
    const tear = findTear(path)
    if (tear !== undefined) onHost('mend', tear.file, () => truncateSync(tear.file, tear.offset))
  } finally {
    unlock()
  }
}

function findTear(path: string): { readonly file: string; readonly offset: number } | undefined {
  return onHost('read', path, () => {
    const name = readFileSync(join(path, 'CURRENT'), 'latin1').trimEnd()
    const file = join(path, name)
    const bytes = readFileSync(file)
    const offset = endOfWhole(bytes)
    // What has no whole record at all was never in use.
    if (offset === undefined || offset === 0 || verifyLog(bytes) !== undefined) return undefined
    return { file, offset }
  })
}
