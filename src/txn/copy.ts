/** Staging a copy of whole blocks of another file, without copying what lies on the disk. */
import { BLOCK_SIZE } from '../device/device.ts'
import type { Ino, Inode } from '../store/inode.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Change } from './change.ts'
import type { Engine } from './engine.ts'
import { MapRuns } from './runs.ts'
import { mappedBlock } from './published.ts'
import { punchBlock } from './punch.ts'
import { readFileBlock, resolveBlock } from './resolve.ts'
import type { FileState, ShadowFork } from './shadow-fork.ts'
import { borrowBlock, dropPage, dropSpilled } from './spill.ts'
import { ensureFork, stageWrite } from './stage.ts'

/**
 * Stages the current content of `count` file blocks from `from` on as that of the target from `to`
 * on. Published blocks become part of both files; holes stay holes; what is staged, or not at home
 * yet, is copied: its block may still be written, or be lost with the ring record that has its
 * content. Times are the caller's business. Requires: the target's staged size covers them, and nobody else changes the files
 * meanwhile. Throws FsError ENOSPC or EIO.
 */
export function stageCopy(
  engine: Engine,
  source: FileState,
  from: number,
  target: FileState,
  to: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) copyBlock(engine, source, from + i, target, to + i)
  const { size } = ensureFork(engine, target)
  target.shadow?.written?.add(to * BLOCK_SIZE, Math.min((to + count) * BLOCK_SIZE, size))
}

function copyBlock(
  engine: Engine,
  source: FileState,
  from: number,
  target: FileState,
  to: number,
): void {
  const fork = ensureFork(engine, target)
  const found = resolveBlock(engine, source, from)
  if (found === undefined) {
    punchBlock(engine, target, fork, to)
  } else if ('page' in found || !isAtHome(engine, found.block)) {
    const content = readFileBlock(engine, source, from)
    const part = content.subarray(0, fork.size - to * BLOCK_SIZE)
    stageWrite(engine, target, to * BLOCK_SIZE, part, { keepTime: true })
  } else if (showsOwn(engine, target, fork, to, found.block)) {
    // It has that block already; only what was staged over it goes.
    dropPage(engine, fork, to)
    dropSpilled(engine, fork, to)
  } else {
    borrowBlock(engine, fork, to, found)
  }
}

/** Whether a block is the target's own at this place, with nothing but this fork over it. */
function showsOwn(
  engine: Engine,
  target: FileState,
  fork: ShadowFork,
  to: number,
  block: number,
): boolean {
  const isUnder = fork.parent === undefined && !fork.hides(to)
  return isUnder && mappedBlock(engine, target, to) === block
}

/** Whether a block belongs to a map, with its content durably in place. */
function isAtHome({ store }: Engine, block: number): boolean {
  return store.allocator.isMapped(block) && store.blockInMemory(block) === undefined
}

export interface LeafCopy {
  readonly source: Inode
  /** What is staged for the source. */
  readonly fork: ShadowFork | undefined
  /** A file of which this leaf maps nothing yet, with its first generation. */
  readonly target: Ino
  readonly leafIndex: number
}

/**
 * Adds to a change that another file gets what a leaf of the published content maps; returns how many
 * blocks. A page that waits to replace one of them in place is given space of its own. Requires: the
 * change is committed in this tick, and nothing is being published to the source. Throws FsError ENOSPC
 * or EIO.
 */
export function shareLeaf(
  { store }: Engine,
  change: Change,
  { source, fork, target, leafIndex }: LeafCopy,
): number {
  const leaf = store.maps.get(source.ino, source.mapGeneration).leaf(leafIndex)
  if (leaf === undefined) return 0
  const runs = new MapRuns()
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (block === 0) continue
    const fileBlock = leafIndex * LEAF_BLOCKS + slot
    for (const each of fork?.chain() ?? []) {
      const page = each.pages.get(fileBlock)
      if (page?.reserved !== false) continue
      store.allocator.reserve(1)
      each.pages.set(fileBlock, { data: page.data, reserved: true })
    }
    runs.add('share', fileBlock, block, leaf.checksum(slot))
  }
  runs.push(change, target, 0)
  return runs.blockCount
}
