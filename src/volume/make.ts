/**
 * Makes a volume on an empty device.
 *
 * Order: the ring is zeros already; then the index gets the volume's identity, the first marker and
 * the root directory in one synced batch; the superblock is written last. A crash before that leaves
 * a volume without a superblock, which is recognised as unfinished and made again.
 */
import { randomBytes } from 'node:crypto'
import type { Device, IndexOp } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { markerOp } from '../journal/checkpoint.ts'
import { ROOT_INO, TYPE_DIRECTORY, encodeInode, newInode } from '../store/inode.ts'
import { VOLUME_KEY, inodeKey } from '../store/keys.ts'
import { sealValue } from '../store/metadata.ts'
import { encodeSuperblock, newSuperblock } from '../store/superblock.ts'

/** The smallest ring that takes a record of every kind: 1 MiB. */
export const RING_BLOCKS_MIN = 256

/** 64 MiB. */
export const RING_BLOCKS_DEFAULT = 16_384

export interface MakeOptions {
  /** Owner of the root directory. */
  readonly uid: number
  readonly gid: number
  readonly clock: () => bigint
}

function put(key: string, body: Uint8Array): IndexOp {
  return { type: 'put', key, value: sealValue(key, body) }
}

/** Writes what makes a device a volume. Requires: the device is new. */
export async function makeVolumeOn(device: Device, options: MakeOptions): Promise<void> {
  if (device.ring.blockCount < RING_BLOCKS_MIN) {
    throw new FsError('EINVAL', `A ring has ${RING_BLOCKS_MIN} blocks at least`)
  }
  const now = options.clock()
  const uuid = randomBytes(16)
  const root = newInode(ROOT_INO, TYPE_DIRECTORY | 0o755, now)
  const { uid, gid } = options
  Object.assign(root, { uid, gid, nlink: 2, parent: ROOT_INO })
  const { blockCount } = device.blocks
  await device.index.batch([
    put(VOLUME_KEY, uuid),
    put(inodeKey(ROOT_INO), encodeInode(root)),
    markerOp({
      commitSeq: 0,
      ringPosition: 0,
      epoch: 1,
      blockCount,
      freeCount: blockCount,
      nextIno: ROOT_INO + 1,
      clean: true,
    }),
  ])
  const superblock = encodeSuperblock(newSuperblock(uuid, device.ring.blockCount, now))
  await device.writeSuperblock(0, superblock)
  await device.writeSuperblock(1, superblock)
}
