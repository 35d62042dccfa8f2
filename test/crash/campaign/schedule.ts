/**
 * Which workloads a campaign tries, in which order. The seed chooses where in each list of sequences
 * to begin and how far to step, so that any part of a campaign is an even sample of all of them.
 */
import { Random } from '../../support/random.ts'
import { Enumeration } from './enumeration.ts'
import type { Workload } from './operations.ts'
import { largeSequence, randomSequence } from './random-sequence.ts'

export const SERIES = ['one', 'two', 'three', 'random', 'large'] as const
export type Series = (typeof SERIES)[number]

export interface Planned {
  readonly series: Series
  /** Undefined for operations that cannot follow each other. */
  readonly workload: Workload | undefined
}

export interface Share {
  readonly seed: number
  /** This worker's number, and how many there are: each takes every so-manieth workload. */
  readonly job: number
  readonly jobCount: number
  /** Every sequence once, and then an end. */
  readonly all: boolean
}

const LENGTHS = { one: 1, two: 2, three: 3 } as const

/** How many sequences of each length there are. */
export function sequenceCounts(): Readonly<Record<'one' | 'two' | 'three', number>> {
  return {
    one: new Enumeration(1).count,
    two: new Enumeration(2).count,
    three: new Enumeration(3).count,
  }
}

/** How many workloads of one series come in every so-manieth round. */
interface Turn {
  readonly planned: Generator<Planned>
  readonly count: number
  readonly every: number
}

/**
 * Rounds of all series until they are over; of random ones for ever. A random sequence takes ten times
 * as long as a short one, and one with commits of many records a hundred times.
 */
export function* schedule(share: Share): Generator<Planned> {
  let turns: Turn[] = [
    { planned: enumerated('one', share), count: 3, every: 1 },
    { planned: enumerated('two', share), count: 4, every: 1 },
    { planned: enumerated('three', share), count: 4, every: 1 },
  ]
  if (!share.all) {
    turns.push({ planned: randomOnes('random', share), count: 1, every: 1 })
    turns.push({ planned: randomOnes('large', share), count: 1, every: 20 })
  }
  for (let round = 1; turns.length > 0; round++) {
    const over = new Set<Turn>()
    for (const turn of turns) {
      if (round % turn.every !== 0) continue
      for (let i = 0; i < turn.count && !over.has(turn); i++) {
        const { done, value } = turn.planned.next()
        if (done === true) over.add(turn)
        else yield value
      }
    }
    turns = turns.filter((turn) => !over.has(turn))
  }
}

function* enumerated(series: 'one' | 'two' | 'three', share: Share): Generator<Planned> {
  const { seed, job, jobCount } = share
  const enumeration = new Enumeration(LENGTHS[series])
  for (const index of scattered(enumeration.count, seed, job, jobCount)) {
    yield { series, workload: enumeration.workload(index) }
  }
}

/** Every so-manieth of the numbers below `count`, each part of them spread evenly. */
export function* scattered(
  count: number,
  seed: number,
  first = 0,
  step = 1,
): Generator<number, void> {
  const random = new Random(seed)
  const start = random.int(count)
  // The golden section spreads best; near it, so that seeds differ.
  let stride = Math.max(1, Math.floor(count * 0.618) + random.int(Math.ceil(count / 100)))
  while (greatestCommonDivisor(stride, count) !== 1) stride++
  for (let i = first; i < count; i += step) yield (start + i * stride) % count
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

function* randomOnes(
  series: 'random' | 'large',
  { seed, job, jobCount }: Share,
): Generator<Planned> {
  for (let i = job; ; i += jobCount) {
    const random = new Random(Math.imul(seed + 1, 0x9e3779b1) + i)
    const workload = series === 'random' ? randomSequence(random) : largeSequence(random)
    yield { series, workload }
  }
}
