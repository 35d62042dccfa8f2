/**
 * Whether a hole is one. A leaf that the index has lost would read as zeros, for a leaf that is
 * absent is a hole. The inode counts the blocks of its map, and that shows the loss:
 *
 *   - a file with as many blocks as its size takes has no hole;
 *   - one of a single leaf must have that leaf, if it has blocks;
 *   - of any other the leaves are counted once, before the first of its holes is believed.
 *
 * Where the counts differ nobody knows which hole is one, so every hole of that file is EIO.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import type { Ino, Inode } from '../store/inode.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'

/** A large publish may change the map while it is counted. */
const TRIES = 3

/** Throws FsError EIO for what cannot be a hole of the published file. */
export function assertHole(engine: Engine, inode: Inode, fileBlock: number): void {
  const sizeBlocks = Math.ceil(inode.size / BLOCK_SIZE)
  if (inode.blockCount === 0 || fileBlock >= sizeBlocks) return
  const map = engine.store.maps.get(inode.ino, inode.mapGeneration)
  const isLost =
    inode.blockCount >= sizeBlocks ||
    map.holes === 'doubtful' ||
    (sizeBlocks <= LEAF_BLOCKS && map.leaf(0) === undefined)
  if (!isLost) return
  const offset = fileBlock * BLOCK_SIZE
  const what = 'is not in the map of the file, which has lost a part'
  throw engine.damaged({ ino: inode.ino, offset, block: undefined, what })
}

/** Whether `countHoles` must come before a hole of this file is read. */
export function mustCount(engine: Engine, ino: Ino): boolean {
  const { size, blockCount, mapGeneration } = engine.inodes.get(ino)
  const sizeBlocks = Math.ceil(size / BLOCK_SIZE)
  if (blockCount === 0 || blockCount >= sizeBlocks || sizeBlocks <= LEAF_BLOCKS) return false
  return engine.store.maps.get(ino, mapGeneration).holes === 'unknown'
}

/** Counts the blocks of the map; leaves it open where the file is changed all the time. */
export async function countHoles(engine: Engine, ino: Ino): Promise<void> {
  const { maps } = engine.store
  for (let i = 0; i < TRIES; i++) {
    const { commitSeq, mapGeneration } = engine.inodes.get(ino)
    const stored = await maps.get(ino, mapGeneration).existingLeaves(0)
    const inode = engine.inodes.get(ino)
    const map = maps.get(ino, inode.mapGeneration)
    const leaves = [...new Set([...stored, ...map.leaves.keys()])]
    const counted = leaves.reduce((sum, leaf) => sum + (map.leaf(leaf)?.mappedCount ?? 0), 0)
    const isSame = inode.mapGeneration === mapGeneration && inode.commitSeq === commitSeq
    if (isSame) map.holes = counted === inode.blockCount ? 'sure' : 'doubtful'
    if (isSame) return
  }
}
