/** Checks a volume in a folder of the host. */
import { FileDevice } from '../device/file-device.ts'
import { checkFeatures, chooseSuperblock } from '../store/superblock.ts'
import { type CheckOptions, type CheckReport, checkVolume } from './check-volume.ts'
import { probeVolume } from './probe.ts'

/**
 * Opens a volume for reading, unless its superblock forbids it. Throws FsError ENOENT when there is
 * none, EBUSY when it is in use, EINVAL when it is unfinished, no volume, or of a newer format, and
 * EIO when it is too damaged to be opened.
 */
export async function openForReading(path: string): Promise<FileDevice> {
  await probeVolume(import.meta.url, path)
  return openUnprobed(path)
}

/** Checks the volume at a path; throws what `openForReading` throws. */
export async function checkPath(path: string, options: CheckOptions): Promise<CheckReport> {
  await probeVolume(import.meta.url, path)
  return checkUnprobed(path, options)
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

function openUnprobed(path: string): Promise<FileDevice> {
  const layoutOf = (copies: readonly Uint8Array[]) => {
    const superblock = chooseSuperblock(path, copies)
    checkFeatures(path, superblock)
    return superblock
  }
  return FileDevice.open(path, layoutOf, { readOnly: true })
}
