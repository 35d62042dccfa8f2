/** Discarding: the shadow fork is dropped, and the file is what was last published. */
import type { Engine } from './engine.ts'
import type { FileState } from './shadow-fork.ts'
import { HOLE } from './shadow-fork.ts'
import { dropPage, freeStaged } from './spill.ts'

/** Drops what is staged and gives its space back. Nothing on the disk refers to it. */
export function discardLocked(engine: Engine, file: FileState): void {
  const fork = file.shadow
  if (fork === undefined) return
  for (const fileBlock of [...fork.pages.keys()]) dropPage(engine, fork, fileBlock)
  for (const { block } of fork.spilledEntries()) {
    if (block !== HOLE) freeStaged(engine, fork, { start: block, count: 1 })
  }
  file.shadow = undefined
}
