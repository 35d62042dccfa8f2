/** The two copies of the superblock, blocks 0 and 1 of the block file. */
import { readSync } from 'node:fs'
import { FsError } from '../errors.ts'
import { BLOCK_SIZE } from './device.ts'
import { onHost } from './host-error.ts'

/** A copy, damaged or not. What the file is too short for reads as zeros. */
export function readSuperblockCopy(fd: number, path: string, copy: 0 | 1): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE)
  onHost('read', path, () => readSync(fd, block, 0, BLOCK_SIZE, copy * BLOCK_SIZE))
  return block
}

/** The copies that can be read. Throws FsError EIO when neither can. */
export function readableCopies(read: (copy: 0 | 1) => Uint8Array): readonly Uint8Array[] {
  const copies: Uint8Array[] = []
  const failures: unknown[] = []
  for (const copy of [0, 1] as const) {
    try {
      copies.push(read(copy))
    } catch (error) {
      failures.push(error)
    }
  }
  if (copies.length > 0) return copies
  throw new FsError('EIO', 'Cannot read the superblock: both copies are unreadable', {
    cause: failures[0],
  })
}
