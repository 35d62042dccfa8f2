/** A logarithmic axis of a plot. */

export interface LogAxis {
  /** Where a value is, in the plot's units. */
  readonly at: (value: number) => number
  readonly low: number
  readonly high: number
}

/** Places `low` at `from` and `high` at `to`, which may be the smaller one. */
export function logAxis(low: number, high: number, from: number, to: number): LogAxis {
  const span = Math.log(high / low)
  return { low, high, at: (value) => from + ((to - from) * Math.log(value / low)) / span }
}

/** Powers of ten between two values, with these. */
export function powersOfTen(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i))
}

/** The next powers of ten that values lie between; one decade at least. */
export function roundedOut(values: readonly number[]): readonly [low: number, high: number] {
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)) + 1e-9)
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)) - 1e-9)
  return [low, Math.max(high, low * 10)]
}

/** "0.01", "1", "1,000". */
export const showPower = (value: number): string =>
  value >= 1 ? value.toLocaleString('en') : String(Number(value.toPrecision(1)))
