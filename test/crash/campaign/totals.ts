/** What a campaign has done so far; those of several workers add up. */
import { type ImageKind, IMAGE_KINDS, type Jury } from '../jury.ts'
import { SERIES, type Series } from './schedule.ts'

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

export const NO_TOTALS: Totals = {
  workloads: zeros(SERIES),
  levelWorkloads: 0,
  impossible: 0,
  moments: 0,
  built: zeros(STATE_KINDS),
  judged: zeros(STATE_KINDS),
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
  const of = (counts: ReadonlyMap<ImageKind, number>): Totals['built'] => ({
    ...zeros(STATE_KINDS),
    ...Object.fromEntries(counts),
  })
  return { built: of(jury.built), judged: of(jury.judged) }
}

function zeros<Key extends string>(keys: readonly Key[]): Record<Key, number> {
  // Object.fromEntries forgets which keys it was given.
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>
}

function addEach<Key extends string>(
  a: Readonly<Record<Key, number>>,
  b: Readonly<Partial<Record<Key, number>>> | undefined,
): Record<Key, number> {
  const sum: Record<Key, number> = { ...a }
  for (const key in b) sum[key] += b[key] ?? 0
  return sum
}
