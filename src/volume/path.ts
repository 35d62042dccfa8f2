/** Volumes by their path on the host. */
import { CallsUnderWay } from '../device/calls-under-way.ts'
import { coarseTimeNs } from '../device/host.ts'
import { FileDevice } from '../device/file-device.ts'
import { GuardedDevice } from '../device/guarded-device.ts'
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

/** An open volume, and the files that it consists of. */
export interface VolumeAtPath extends OpenedVolume {
  /** For looking at what is on the disk; whatever changes a volume goes through `device`. */
  readonly files: FileDevice
}

/**
 * Opens a volume and recovers it. Throws FsError; the volume is closed again then, unless the disk
 * does not answer: see `CallsUnderWay`.
 */
export async function openVolumeAt(
  path: string,
  readOnly: boolean,
  calls: CallsUnderWay = new CallsUnderWay(),
): Promise<VolumeAtPath> {
  const layoutOf = (copies: readonly Uint8Array[]): Superblock => {
    const superblock = chooseSuperblock(path, copies)
    // Before anything else is believed: a newer format may lie differently.
    checkFeatures(path, superblock)
    return superblock
  }
  const open = (): Promise<FileDevice> => FileDevice.open(path, layoutOf, { readOnly })
  const device = await calls.run('open the volume', open)
  try {
    const { damage } = device.index
    const options = { name: path, readOnly, clock: coarseTimeNs, calls, damage }
    return { ...(await openVolumeOn(device, options)), files: device }
  } catch (error) {
    const close = new GuardedDevice(device, calls).close()
    // Why it was not opened is what the caller must hear of.
    await close.catch(() => undefined)
    throw error
  }
}
