/** Figures: what was measured, what it should be, and whether it is. */

export interface Bounds {
  readonly must?: number
  readonly aim?: number
}

export interface Figure {
  readonly name: string
  readonly unit: string
  /** The value of each round. */
  readonly ours: readonly number[]
  /** Of what it is compared with, in the same rounds. */
  readonly other?: { readonly name: string; readonly values: readonly number[] }
  /**
   * `times`: ours divided by the other's of the same round, at least the bounds. `at most`: ours, at
   * most the bounds.
   */
  readonly judged: 'times' | 'at most'
  readonly bounds: Bounds
}

export type Verdict = 'met' | 'below aim' | 'missed must' | ''

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  }
}

/** Ratios of the rounds; empty when there is nothing to compare with. */
export function ratiosOf({ ours, other }: Figure): number[] {
  return ours.flatMap((value, round) => {
    const against = other?.values[round]
    return against === undefined ? [] : [value / against]
  })
}

export function verdictOf(figure: Figure): Verdict {
  const { must, aim } = figure.bounds
  if (must === undefined && aim === undefined) return ''
  const values = figure.judged === 'times' ? ratiosOf(figure) : figure.ours
  const { median } = spreadOf(values)
  const reaches = (bound: number | undefined): boolean =>
    bound === undefined || (figure.judged === 'times' ? median >= bound : median <= bound)
  if (!reaches(must)) return 'missed must'
  return reaches(aim) ? 'met' : 'below aim'
}
