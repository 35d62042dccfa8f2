/**
 * The published content that a file, or a handle's view of one, stands on: the data fork, or the
 * version of it that the view has pinned.
 */
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'
import { assertHole } from './holes.ts'
import type { FileState } from './shadow-fork.ts'
import type { PublishedState } from './versions.ts'

export interface PublishedBlock {
  readonly block: BlockNo
  readonly checksum: number
}

export function publishedState(engine: Engine, { ino, base }: FileState): PublishedState {
  return base ?? engine.inodes.get(ino)
}

/** Where a file block is; undefined for a hole. Throws FsError EIO for what cannot be a hole. */
export function publishedBlock(
  engine: Engine,
  file: FileState,
  fileBlock: number,
): PublishedBlock | undefined {
  const { ino, base } = file
  if (base !== undefined) {
    if (fileBlock * BLOCK_SIZE >= base.size) return undefined
    const old = engine.versions.find(base, fileBlock)
    if (old !== undefined) return old.block === 0 ? undefined : old
  }
  const inode = engine.inodes.get(ino)
  const map = engine.store.maps.get(ino, inode.mapGeneration)
  const leaf = map.leaf(Math.floor(fileBlock / LEAF_BLOCKS))
  const block = leaf?.block(fileBlock % LEAF_BLOCKS) ?? 0
  if (block !== 0) return { block, checksum: leaf?.checksum(fileBlock % LEAF_BLOCKS) ?? 0 }
  assertHole(engine, inode, fileBlock)
  return undefined
}

/** The block that the published content has at a file block, without a look at it; 0 for none. */
export function mappedBlock(engine: Engine, file: FileState, fileBlock: number): BlockNo {
  const { ino, base, shadow } = file
  if (shadow?.dropsMap === true) return 0
  if (base !== undefined) {
    if (fileBlock * BLOCK_SIZE >= base.size) return 0
    const old = engine.versions.find(base, fileBlock)
    if (old !== undefined) return old.block
  }
  const { mapGeneration } = engine.inodes.get(ino)
  return engine.store.maps.get(ino, mapGeneration).block(fileBlock)
}

/** Leaves of the published content from one on, at most `count`; some may hold nothing but holes. */
export async function publishedLeaves(
  engine: Engine,
  file: FileState,
  fromLeaf: number,
  count = Infinity,
): Promise<number[]> {
  const { mapGeneration } = engine.inodes.get(file.ino)
  const map = engine.store.maps.get(file.ino, mapGeneration)
  const leaves = new Set(await map.existingLeaves(fromLeaf, count))
  if (file.base !== undefined) {
    for (const leafIndex of engine.versions.leafIndexes(file.base)) {
      if (leafIndex >= fromLeaf) leaves.add(leafIndex)
    }
  }
  return [...leaves].toSorted((a, b) => a - b).slice(0, count)
}
