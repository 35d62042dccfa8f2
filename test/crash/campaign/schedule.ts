/**
 * Which workloads a campaign tries, in which order. The seed chooses where in each list of sequences
 * to begin and how far to step, so that any part of a campaign is an even sample of all of them.
 */
import { Random } from '../../support/random.ts'
import { Enumeration } from './enumeration.ts'
import type { Workload } from './operations.ts'
import { randomSequence } from './random-sequence.ts'

export const SERIES = ['one', 'two', 'three', 'random'] as const
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

/** Of each series in one round: a random sequence takes ten times as long as a short one. */
const ROUND = { two: 4, three: 4, random: 1 } as const

/** All of one operation; then rounds of two, three and random ones, random ones for ever. */
export function* schedule(share: Share): Generator<Planned> {
  yield* enumerated('one', share)
  let turns = [
    { count: ROUND.two, planned: enumerated('two', share), isOver: false },
    { count: ROUND.three, planned: enumerated('three', share), isOver: false },
    ...(share.all ? [] : [{ count: ROUND.random, planned: randomOnes(share), isOver: false }]),
  ]
  while (turns.length > 0) {
    for (const turn of turns) {
      for (let i = 0; i < turn.count && !turn.isOver; i++) {
        const { done, value } = turn.planned.next()
        if (done === true) turn.isOver = true
        else yield value
      }
    }
    turns = turns.filter(({ isOver }) => !isOver)
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

function* randomOnes({ seed, job, jobCount }: Share): Generator<Planned> {
  for (let i = job; ; i += jobCount) {
    const random = new Random(Math.imul(seed + 1, 0x9e3779b1) + i)
    yield { series: 'random', workload: randomSequence(random) }
  }
}
