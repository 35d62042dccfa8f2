/** Staging holes: what fallocate(2) does to a range that it takes away or fills with zeros. */
import { BLOCK_SIZE } from '../device/device.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'
import { publishedLeaves } from './published.ts'
import { resolveBlock, showsBelow } from './resolve.ts'
import { type FileState, HOLE, type ShadowFork, stagedLeaves } from './shadow-fork.ts'
import { dropPage, dropSpilled } from './spill.ts'
import { ensureFork, stageWrite } from './stage.ts'

/**
 * Makes a range read as zeros: whole blocks become holes, the rest is written with zeros. The size
 * and times stay. Requires: the caller holds the file's lock. Throws FsError ENOSPC or EIO.
 */
export async function stagePunch(
  engine: Engine,
  file: FileState,
  offset: number,
  lengthBytes: number,
): Promise<void> {
  const fork = ensureFork(engine, file)
  const end = Math.min(offset + lengthBytes, fork.size)
  const firstWhole = Math.ceil(offset / BLOCK_SIZE)
  const endWhole = end === fork.size ? Math.ceil(end / BLOCK_SIZE) : Math.floor(end / BLOCK_SIZE)
  const leaves = await leavesIn(engine, file, fork, firstWhole, endWhole)
  const headEnd = Math.min(end, firstWhole * BLOCK_SIZE)
  zero(engine, file, offset, headEnd)
  zero(engine, file, Math.max(headEnd, endWhole * BLOCK_SIZE), end)
  for (const leafIndex of leaves) {
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const fileBlock = leafIndex * LEAF_BLOCKS + slot
      if (fileBlock >= firstWhole && fileBlock < endWhole) punchBlock(engine, file, fork, fileBlock)
    }
  }
  fork.written?.add(offset, end)
}

/** Leaves that hold something of a range of whole blocks, published or staged. */
async function leavesIn(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  firstBlock: number,
  endBlock: number,
): Promise<Set<number>> {
  const first = Math.floor(firstBlock / LEAF_BLOCKS)
  const end = Math.ceil(endBlock / LEAF_BLOCKS)
  if (end <= first) return new Set()
  const published = await publishedLeaves(engine, file, first)
  const all = [...published, ...stagedLeaves(fork)]
  return new Set(all.filter((leafIndex) => leafIndex >= first && leafIndex < end))
}

/** A part of one block; in a hole there is nothing to do. */
function zero(engine: Engine, file: FileState, from: number, to: number): void {
  if (from >= to || resolveBlock(engine, file, Math.floor(from / BLOCK_SIZE)) === undefined) return
  stageWrite(engine, file, from, Buffer.alloc(to - from), { keepTime: true })
}

/** Makes one whole block a hole. */
export function punchBlock(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  fileBlock: number,
): void {
  dropPage(engine, fork, fileBlock)
  dropSpilled(engine, fork, fileBlock)
  if (showsBelow(engine, file, fork, fileBlock)) fork.setSpilled(fileBlock, HOLE, 0)
}
