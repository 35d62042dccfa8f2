/**
 * Checks a volume in a folder of the host. The files of its index are looked at first: LevelDB does
 * not survive some damage, and writes its log anew when it opens, with which other damage is gone.
 */
import { FileDevice } from '../device/file-device.ts'
import { volumePaths } from '../device/layout.ts'
import { type NamedDamage, verifyLevel } from '../device/level/verify.ts'
import { hasDatabase } from '../device/open-level.ts'
import { volumeHolder } from '../device/volume-lock.ts'
import { checkFeatures, chooseSuperblock } from '../store/superblock.ts'
import { type CheckOptions, type CheckReport, checkVolume, unopenable } from './check-volume.ts'
import type { Finding } from './findings.ts'
import { probeVolume } from './probe.ts'

/**
 * Opens a volume for reading, unless its superblock forbids it. Throws FsError ENOENT when there is
 * none, EBUSY when it is in use, EINVAL when it is unfinished, no volume, or of a newer format, and
 * EIO when it is too damaged to be opened.
 */
export async function openForReading(path: string): Promise<FileDevice> {
  if ((await damageOfIndex(path)).length > 0) await probeVolume(import.meta.url, path)
  return openUnprobed(path)
}

/** Checks the volume at a path; throws what `openForReading` throws. */
export async function checkPath(path: string, options: CheckOptions): Promise<CheckReport> {
  const damage = await damageOfIndex(path)
  const before = damage.map(toFinding)
  if (damage.some(({ isUsable }) => !isUsable)) return unopenable(before)
  // Where all checksums are right LevelDB finds its way.
  if (damage.length > 0) await probeVolume(import.meta.url, path)
  return checkUnprobed(path, { ...options, before })
}

/** The same, but a damaged index may end the process. */
export async function checkUnprobed(path: string, options: CheckOptions): Promise<CheckReport> {
  const device = await openUnprobed(path)
  try {
    return await checkVolume(device, path, options)
  } finally {
    await device.close()
  }
}

/** None where there is no index that could be opened, or another process is writing it. */
async function damageOfIndex(path: string): Promise<readonly NamedDamage[]> {
  const { folder, index } = volumePaths(path)
  if (!hasDatabase(index) || volumeHolder(folder) !== undefined) return []
  return verifyLevel(index)
}

function toFinding({ name, offset, what }: NamedDamage): Finding {
  const message = `file "index/${name}", offset ${offset}: ${what}`
  return { invariant: 'F27', severity: 'error', message }
}

function openUnprobed(path: string): Promise<FileDevice> {
  const layoutOf = (copies: readonly Uint8Array[]) => {
    const superblock = chooseSuperblock(path, copies)
    checkFeatures(path, superblock)
    return superblock
  }
  return FileDevice.open(path, layoutOf, { readOnly: true })
}
