/** Finding content and holes, as lseek(2) does with SEEK_DATA and SEEK_HOLE. */
import { setImmediate as nextTick } from 'node:timers/promises'
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'
import { publishedLeaves } from './published.ts'
import { currentSize } from './read.ts'
import { resolveBlock } from './resolve.ts'
import { type FileState, stagedLeaves } from './shadow-fork.ts'

/** Leaves looked at before others have their turn. */
const LEAVES_PER_TURN = 256

/** The first offset from `offset` on that has content, staged or published. Throws FsError ENXIO. */
export async function seekData(engine: Engine, file: FileState, offset: number): Promise<number> {
  let fileBlock = blockOf(engine, file, offset)
  for (;;) {
    const leafIndex = await nextLeaf(engine, file, Math.floor(fileBlock / LEAF_BLOCKS))
    if (leafIndex === undefined) throw behindEnd(offset)
    fileBlock = Math.max(fileBlock, leafIndex * LEAF_BLOCKS)
    for (; Math.floor(fileBlock / LEAF_BLOCKS) === leafIndex; fileBlock++) {
      if (fileBlock * BLOCK_SIZE >= currentSize(engine, file)) throw behindEnd(offset)
      if (resolveBlock(engine, file, fileBlock) !== undefined) {
        return Math.max(offset, fileBlock * BLOCK_SIZE)
      }
    }
  }
}

/** The first offset from `offset` on in a hole; there is one behind the end. Throws FsError ENXIO. */
export async function seekHole(engine: Engine, file: FileState, offset: number): Promise<number> {
  let fileBlock = blockOf(engine, file, offset)
  while (fileBlock * BLOCK_SIZE < currentSize(engine, file)) {
    if (resolveBlock(engine, file, fileBlock) === undefined) {
      return Math.max(offset, fileBlock * BLOCK_SIZE)
    }
    fileBlock++
    if (fileBlock % (LEAF_BLOCKS * LEAVES_PER_TURN) === 0) await nextTick()
  }
  return currentSize(engine, file)
}

function blockOf(engine: Engine, file: FileState, offset: number): number {
  if (offset >= currentSize(engine, file)) throw behindEnd(offset)
  return Math.floor(offset / BLOCK_SIZE)
}

/** The first leaf from one on of which something is published or staged. */
async function nextLeaf(
  engine: Engine,
  file: FileState,
  fromLeaf: number,
): Promise<number | undefined> {
  const [published = Infinity] = await publishedLeaves(engine, file, fromLeaf, 1)
  let first = published
  for (const leafIndex of stagedLeaves(file.shadow)) {
    if (leafIndex >= fromLeaf && leafIndex < first) first = leafIndex
  }
  return first === Infinity ? undefined : first
}

function behindEnd(offset: number): FsError {
  return new FsError('ENXIO', `There is nothing at or behind offset ${offset}`)
}
