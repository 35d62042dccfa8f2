import { BLOCK_SIZE } from '../device/device.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'
import type { FileState, ShadowFork } from './shadow-fork.ts'

/** Leaves of the data fork that the fork's truncation touches. */
export async function leavesToCut(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
): Promise<readonly number[]> {
  const inode = engine.inodes.get(file.ino)
  const isCut = !fork.freshMap && inode.blockCount > 0 && fork.cutBlock * BLOCK_SIZE < inode.size
  if (!isCut) return []
  const firstLeaf = Math.floor(fork.cutBlock / LEAF_BLOCKS)
  const endLeaf = Math.ceil(inode.size / BLOCK_SIZE / LEAF_BLOCKS)
  // A few leaves are looked up faster than a range of the index is opened.
  if (endLeaf - firstLeaf <= 16) {
    return Array.from({ length: endLeaf - firstLeaf }, (_, i) => firstLeaf + i)
  }
  return engine.store.maps.get(file.ino, inode.mapGeneration).existingLeaves(firstLeaf)
}
