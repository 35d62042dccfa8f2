/** Giving a range of a file its space before it is written, as fallocate(2) does without a flag. */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { Engine } from './engine.ts'
import { resolveBlock } from './resolve.ts'
import type { FileState } from './shadow-fork.ts'
import { writersTurn } from './spill.ts'
import { stageWrite } from './stage.ts'

/** Zeros that are staged in one go. */
const ZEROS = Buffer.alloc(256 * BLOCK_SIZE)

/**
 * Stages zeros in all holes of a range. A write to a block that exists needs no new one as long as
 * it goes through the ring, so it cannot run out of space. Times stay. Requires: the caller holds the file's
 * lock. Throws FsError ENOSPC or EIO; what was filled until then stays.
 */
export async function stageFill(
  engine: Engine,
  file: FileState,
  offset: number,
  end: number,
): Promise<void> {
  assertSpace(engine, file, offset, end)
  const endBlock = Math.ceil(end / BLOCK_SIZE)
  for (let from = Math.floor(offset / BLOCK_SIZE); from < endBlock;) {
    const count = holeLength(engine, file, from, Math.min(endBlock, from + 256))
    if (count > 0) {
      const start = from * BLOCK_SIZE
      const length = Math.min(count * BLOCK_SIZE, end - start)
      await writersTurn(engine)
      const options = { isFill: true, keepTime: true }
      stageWrite(engine, file, start, ZEROS.subarray(0, length), options)
    }
    from += Math.max(count, 1)
  }
}

/** Refuses at once what cannot be had, rather than filling the disk first. */
function assertSpace({ store, inodes }: Engine, file: FileState, offset: number, end: number) {
  const freeBytes =
    store.allocator.availableCount * BLOCK_SIZE + store.device.blocks.hostFreeBytes()
  const ownBytes = inodes.get(file.ino).blockCount * BLOCK_SIZE + (file.shadow?.stagedBytes ?? 0)
  if (end - offset <= freeBytes + ownBytes) return
  throw new FsError('ENOSPC', `There is no space for ${end - offset} bytes`)
}

function holeLength(engine: Engine, file: FileState, from: number, to: number): number {
  let block = from
  while (block < to && resolveBlock(engine, file, block) === undefined) block++
  return block - from
}
