/** Discarding: the shadow fork is dropped, and the file is what was last published. */
import type { Engine } from './engine.ts'
import { type FileState, HOLE, type ShadowFork } from './shadow-fork.ts'
import { dropPage, freeStaged, giveAllBack } from './spill.ts'

/** Drops what is staged, and a transaction with it. Nothing on the disk refers to it. */
export function discardLocked(engine: Engine, file: FileState): void {
  for (const fork of file.shadow?.chain() ?? []) dropFork(engine, fork)
  file.shadow = undefined
  file.transaction = undefined
}

/** Gives back the space of one fork. */
export function dropFork(engine: Engine, fork: ShadowFork): void {
  for (const fileBlock of fork.pages.keys()) dropPage(engine, fork, fileBlock)
  let run = { start: 0, count: 0 }
  for (const { fileBlock, block } of fork.spilledEntries()) {
    if (block === HOLE || fork.borrowed.has(fileBlock)) continue
    if (block === run.start + run.count) {
      run.count++
    } else {
      if (run.count > 0) freeStaged(engine, fork, run)
      run = { start: block, count: 1 }
    }
  }
  if (run.count > 0) freeStaged(engine, fork, run)
  giveAllBack(engine, fork)
}
