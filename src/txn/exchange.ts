/**
 * Exchanging ranges of whole blocks between two files, or within one: both change in one commit, or
 * neither does.
 *
 * Order, and what a crash after each step leaves:
 *
 *   1. what is spilled of both files is durable. Both as before; nothing refers to it.
 *   2. one commit: all that is staged of both files, as publishing them would have it; then what each
 *      place is to refer to of what the other has; then both inodes, with the new sizes and times. Both as
 *      before until the commit is durable, both exchanged from then on. What was staged for an atomic
 *      file is never published without the exchange.
 *
 * No block is written, freed or taken, and its content may still be in the ring: a record before this
 * one brings it to its block, whatever file that belongs to. Counts of owners stay.
 *
 * Ranges with more leaves than memory should hold at a time, and files with more staged than one
 * commit takes, are the business of `exchange-large.ts`.
 */
import { invariant } from '../errors.ts'
import type { Change } from './change.ts'
import { commitStaged, fitsOneCommit, settleStaged } from './commit-staged.ts'
import type { Engine } from './engine.ts'
import { exchangeLarge } from './exchange-large.ts'
import { type Plan, planExchange } from './exchange-plan.ts'
import { type Exchange, finishExchange } from './exchange-ops.ts'
import { countHoles, mustCount } from './holes.ts'
import { MapRuns, RunBuilder } from './runs.ts'
import { resolveBlock } from './resolve.ts'
import type { FileState } from './shadow-fork.ts'
import { giveAllBack } from './spill.ts'

/** Blocks that one operation moves at most, as far as a record takes so many. */
const MOVED_BLOCKS_MAX = 65_536

/**
 * Exchanges the current content, staged or published; durable after the next flush of the journal.
 * Requires: the caller holds the locks of all files. Throws FsError, and then nothing has changed.
 */
export async function exchangeLocked(
  engine: Engine,
  exchange: Exchange,
  { soon, also }: { readonly soon: boolean; readonly also: (change: Change) => void },
): Promise<void> {
  const files = [...new Set([exchange.first, exchange.second])]
  for (const { ino } of files) if (mustCount(engine, ino)) await countHoles(engine, ino)
  const all = await settleStaged(engine, [...files, ...(exchange.others ?? [])]) // 1.
  const plan = await planExchange(engine, exchange)
  const moreBytes = plan === undefined ? 0 : plan.bytesMax + plan.bytesMax / 64
  if (plan === undefined || !fitsOneCommit(engine, all, moreBytes)) {
    await exchangeLarge(engine, exchange, also)
    return
  }
  await commitStaged(engine, all, {
    soon,
    moreBytes,
    also: (change) => {
      change.inode(exchange.first.ino).blockCount += plan.gained
      change.inode(exchange.second.ino).blockCount -= plan.gained
      finishExchange(engine, exchange, change)
      also(change)
    },
    last: (change) => {
      pushMoves(engine, exchange, plan, change)
    },
  }) // 2.
  for (const { file, fork } of all) {
    giveAllBack(engine, fork)
    file.shadow = undefined
  }
}

/** Has each place refer to what the other has after all that comes before in the commit. */
function pushMoves(engine: Engine, exchange: Exchange, { runs }: Plan, change: Change): void {
  const { first, second, firstBlock, secondBlock } = exchange
  const countMax = Math.min(MOVED_BLOCKS_MAX, engine.journal.recordBlocksMax * 256)
  const pages = new Map([first, second].map(({ ino }) => [ino, change.pagesOf(ino)]))
  const sides = [
    { to: first, toBlock: firstBlock, from: second, fromBlock: secondBlock },
    { to: second, toBlock: secondBlock, from: first, fromBlock: firstBlock },
  ]
  for (const { to, toBlock, from, fromBlock } of sides) {
    const moves = new MapRuns(countMax)
    const holes = new RunBuilder()
    for (const { start, count } of runs) {
      for (let at = start; at < start + count; at++) {
        const source =
          pages.get(from.ino)?.get(fromBlock + at) ?? found(engine, from, fromBlock + at)
        if (source === undefined) holes.add(toBlock + at)
        else moves.add('move', toBlock + at, source.block, source.checksum)
      }
    }
    const generation = change.inode(to.ino).mapGeneration
    moves.push(change, to.ino, generation)
    for (const { start: fileBlock, count } of holes.runs) {
      change.push({ type: 'vacate', ino: to.ino, generation, fileBlock, count })
    }
  }
}

function found(
  engine: Engine,
  file: FileState,
  fileBlock: number,
): { readonly block: number; readonly checksum: number } | undefined {
  const source = resolveBlock(engine, file, fileBlock)
  invariant(source === undefined || !('page' in source), 'every page has its operation')
  return source
}
