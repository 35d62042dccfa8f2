/** Which blocks an exchange moves, as few operations as say so. Changes nothing. */
import { setImmediate as nextTick } from 'node:timers/promises'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'
import type { Exchange } from './exchange-ops.ts'
import { RunBuilder } from './runs.ts'
import { type Source, resolveBlock } from './resolve.ts'
import { type FileState, HOLE } from './shadow-fork.ts'

/** Blocks of the ranges, counted from their begin. */
interface Run {
  readonly start: number
  count: number
}

export interface Plan {
  readonly runs: readonly Run[]
  /** What the operations take of a record at most. */
  readonly bytesMax: number
  /** Blocks that the first file maps then and the second does not, less the opposite. */
  readonly gained: number
}

/** An operation that moves blocks, without their checksums. */
const OPERATION_BYTES = 25
const CHECKSUM_BYTES = 4

/** Leaves of either file that one commit changes at most: 1 GiB, and some MB of memory. */
const LEAVES_MAX = 4096

/** Leaves that are looked up one by one faster than a range of the index is opened. */
const LEAVES_LOOKED_UP = 16

/** Blocks looked at before others have their turn. */
const BLOCKS_PER_TURN = 64 * LEAF_BLOCKS

/** Undefined for what is too large for one commit. Throws FsError EIO for a map that is damaged. */
export async function planExchange(engine: Engine, exchange: Exchange): Promise<Plan | undefined> {
  const intervals = await presentIntervals(engine, exchange)
  if (intervals === undefined) return undefined
  const { first, second, firstBlock, secondBlock, writtenOnly } = exchange
  const runs = new RunBuilder()
  const [toSecond, toFirst] = [new Cost(), new Cost()]
  let gained = 0
  let looked = 0
  for (const { start, count } of intervals) {
    for (let at = start; at < start + count; at++) {
      if (++looked % BLOCKS_PER_TURN === 0) await nextTick()
      const here = resolveBlock(engine, first, firstBlock + at)
      if (here === undefined && at < writtenOnly) continue
      const there = resolveBlock(engine, second, secondBlock + at)
      if (here === undefined && there === undefined) continue
      gained += Number(there !== undefined) - Number(here !== undefined)
      toSecond.add(at, here)
      toFirst.add(at, there)
      runs.add(at)
    }
  }
  return { runs: runs.runs, gained, bytesMax: toSecond.bytes + toFirst.bytes }
}

/** What moving blocks in one direction takes of a record. */
class Cost {
  bytes = OPERATION_BYTES
  private lastAt = -1
  private lastBlock = 0

  /** A page gets its block only with the commit, so it may be an operation of its own. */
  add(at: number, source: Source): void {
    const block = source === undefined ? HOLE : 'page' in source ? 0 : source.block
    const isNext = at === this.lastAt + 1 && block !== 0
    const continues = block === HOLE ? this.lastBlock === HOLE : this.lastBlock + 1 === block
    this.bytes += isNext && continues ? CHECKSUM_BYTES : OPERATION_BYTES + CHECKSUM_BYTES
    this.lastAt = at
    this.lastBlock = block
  }
}

export function isPresent(engine: Engine, file: FileState, fileBlock: number): boolean {
  return resolveBlock(engine, file, fileBlock) !== undefined
}

/** Parts of the ranges outside of which neither file has anything that moves; undefined for too many. */
async function presentIntervals(
  engine: Engine,
  { first, second, firstBlock, secondBlock, count, writtenOnly }: Exchange,
): Promise<Run[] | undefined> {
  const sides: readonly (readonly [FileState, number])[] = [
    [first, firstBlock],
    [second, secondBlock],
  ]
  const parts: Run[] = []
  for (const [file, begin] of sides) {
    const leaves = await presentLeaves(engine, file, begin, count)
    if (leaves.length > LEAVES_MAX) return undefined
    for (const leafIndex of leaves) {
      // Where only what the first file has is moved, nothing else of the second matters.
      const from = Math.max(leafIndex * LEAF_BLOCKS - begin, file === first ? 0 : writtenOnly)
      const start = Math.max(from, 0)
      const end = Math.min((leafIndex + 1) * LEAF_BLOCKS - begin, count)
      if (end > start) parts.push({ start, count: end - start })
    }
  }
  return merged(parts)
}

function merged(parts: readonly Run[]): Run[] {
  const joined: Run[] = []
  for (const { start, count } of parts.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last === undefined || last.start + last.count < start) joined.push({ start, count })
    else last.count = Math.max(last.count, start + count - last.start)
  }
  return joined
}

/** Leaves in which a range may have something, staged or published; more than LEAVES_MAX if so. */
async function presentLeaves(
  engine: Engine,
  { ino, shadow }: FileState,
  firstBlock: number,
  count: number,
): Promise<readonly number[]> {
  const first = Math.floor(firstBlock / LEAF_BLOCKS)
  const end = Math.ceil((firstBlock + count) / LEAF_BLOCKS)
  if (end - first <= LEAVES_LOOKED_UP)
    return Array.from({ length: end - first }, (_, i) => first + i)
  const { mapGeneration } = engine.inodes.get(ino)
  const map = engine.store.maps.get(ino, mapGeneration)
  const published = await map.existingLeaves(first, LEAVES_MAX + 1)
  const pages = [...(shadow?.pages.keys() ?? [])].map((block) => Math.floor(block / LEAF_BLOCKS))
  const all = new Set([...published, ...(shadow?.spilled.keys() ?? []), ...pages])
  return [...all].filter((leafIndex) => leafIndex >= first && leafIndex < end)
}
