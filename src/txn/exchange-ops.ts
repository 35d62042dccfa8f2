/** What an exchange is, and what of it goes into a commit in any case. */
import type { Change } from './change.ts'
import type { Engine } from './engine.ts'
import type { FileState } from './shadow-fork.ts'

export interface Exchange {
  readonly first: FileState
  readonly second: FileState
  /** Where the ranges begin, in file blocks, and how many blocks both have. */
  readonly firstBlock: number
  readonly secondBlock: number
  readonly count: number
  /** Blocks from the begin of the ranges in which holes of the first file are left out. */
  readonly writtenOnly: number
  /** Files that are published with these, whatever happens to their content otherwise. */
  readonly others?: readonly FileState[]
  /** New sizes in bytes, if the ranges reach to the ends of both files. */
  readonly sizes?: { readonly first: number; readonly second: number }
}

/** The inodes take over sizes and times. */
export function finishExchange(
  engine: Engine,
  { first, second, sizes }: Exchange,
  change: Change,
): void {
  const now = engine.clock()
  for (const { ino } of [first, second]) {
    const draft = change.inode(ino)
    draft.mtimeNs = now
    draft.ctimeNs = now
    draft.commitSeq = engine.journal.commitSeq + 1
  }
  if (sizes === undefined) return
  change.inode(first.ino).size = sizes.first
  change.inode(second.ino).size = sizes.second
}

/** The file block that takes the place of one, or undefined for one that stays. */
export function counterpart(
  exchange: Exchange,
  file: FileState,
  fileBlock: number,
  isHole: (file: FileState, fileBlock: number) => boolean,
): { readonly file: FileState; readonly fileBlock: number } | undefined {
  const { first, second, firstBlock, secondBlock, count, writtenOnly } = exchange
  for (const isFirst of [true, false]) {
    const at = fileBlock - (isFirst ? firstBlock : secondBlock)
    if (file !== (isFirst ? first : second) || at < 0 || at >= count) continue
    if (at < writtenOnly && isHole(first, firstBlock + at)) return undefined
    return isFirst
      ? { file: second, fileBlock: secondBlock + at }
      : { file: first, fileBlock: firstBlock + at }
  }
  return undefined
}
