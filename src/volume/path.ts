/** Volumes by their path on the host. */
import { coarseTimeNs } from '../device/host.ts'
import { FileDevice } from '../device/file-device.ts'
import { type Superblock, checkFeatures, chooseSuperblock } from '../store/superblock.ts'
import { RING_BLOCKS_DEFAULT, makeVolumeOn } from './make.ts'
import { type OpenedVolume, openVolumeOn } from './open.ts'

export interface MakePathOptions {
  readonly ringBlocks?: number
  readonly ballastBytes?: number
}

/** Makes a volume in a new or empty folder. Throws FsError. */
export async function makeVolumeAt(path: string, options: MakePathOptions = {}): Promise<void> {
  const device = await FileDevice.create(path, {
    ringBlocks: options.ringBlocks ?? RING_BLOCKS_DEFAULT,
    ...(options.ballastBytes === undefined ? {} : { ballastBytes: options.ballastBytes }),
  })
  try {
    const uid = process.getuid?.() ?? 0
    const gid = process.getgid?.() ?? 0
    await makeVolumeOn(device, { uid, gid, clock: coarseTimeNs })
  } finally {
    await device.close()
  }
}

export interface VolumeAtPath extends OpenedVolume {
  readonly device: FileDevice
}

/** Opens a volume and recovers it. Throws FsError; the volume is closed again then. */
export async function openVolumeAt(path: string, readOnly: boolean): Promise<VolumeAtPath> {
  const layoutOf = (copies: readonly Uint8Array[]): Superblock => {
    const superblock = chooseSuperblock(path, copies)
    // Before anything else is believed: a newer format may lie differently.
    checkFeatures(path, superblock)
    return superblock
  }
  const device = await FileDevice.open(path, layoutOf, { readOnly })
  try {
    const { damage } = device.index
    const opened = await openVolumeOn(device, { name: path, readOnly, clock: coarseTimeNs, damage })
    return { ...opened, device }
  } catch (error) {
    await device.close()
    throw error
  }
}
