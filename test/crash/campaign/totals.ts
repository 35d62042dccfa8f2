/** What a campaign has done so far; those of several workers add up. */
import { type ImageKind, IMAGE_KINDS, type Jury } from '../jury.ts'
import type { Series } from './schedule.ts'

export type StateKind = ImageKind | 'LevelDB'
export const STATE_KINDS: readonly StateKind[] = [...IMAGE_KINDS, 'LevelDB']

export interface Totals {
  readonly workloads: Readonly<Record<Series, number>>
  /** Workloads that were run on a LevelDB of their own. */
  readonly levelWorkloads: number
  /** Sequences whose operations cannot follow each other. */
  readonly impossible: number
  /** Moments at which crashes were tried. */
  readonly moments: number
  /** States that were built, and those of them that were judged: equal ones only once. */
  readonly built: Readonly<Record<StateKind, number>>
  readonly judged: Readonly<Record<StateKind, number>>
}

const NO_STATES: Totals['built'] = {
  settled: 0,
  prefix: 0,
  dropped: 0,
  killed: 0,
  split: 0,
  omitted: 0,
  reordered: 0,
  torn: 0,
  recovery: 0,
  LevelDB: 0,
}

export const NO_TOTALS: Totals = {
  workloads: { one: 0, two: 0, three: 0, random: 0, large: 0 },
  levelWorkloads: 0,
  impossible: 0,
  moments: 0,
  built: NO_STATES,
  judged: NO_STATES,
}

export function add(a: Totals, b: Partial<Totals>): Totals {
  return {
    workloads: addEach(a.workloads, b.workloads),
    levelWorkloads: a.levelWorkloads + (b.levelWorkloads ?? 0),
    impossible: a.impossible + (b.impossible ?? 0),
    moments: a.moments + (b.moments ?? 0),
    built: addEach(a.built, b.built),
    judged: addEach(a.judged, b.judged),
  }
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

/** What a jury has done. */
export function countsOf(jury: Jury): Pick<Totals, 'built' | 'judged'> {
  return { built: statesOf(jury.built), judged: statesOf(jury.judged) }
}

function statesOf(counts: ReadonlyMap<ImageKind, number>): Totals['built'] {
  return { ...NO_STATES, ...Object.fromEntries(counts) }
}

function addEach<Key extends string>(
  a: Readonly<Record<Key, number>>,
  b: Readonly<Partial<Record<Key, number>>> | undefined,
): Record<Key, number> {
  const sum: Record<Key, number> = { ...a }
  for (const key in b) sum[key] += b[key] ?? 0
  return sum
}
