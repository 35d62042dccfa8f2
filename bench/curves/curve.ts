/** A cost over the size of something, and how it grows. */

export interface Point {
  readonly size: number
  readonly value: number
}

export interface Curve {
  readonly name: string
  readonly unit: string
  readonly points: readonly Point[]
}

export type GrowthName = 'flat' | 'slower than linear' | 'linear' | 'faster than linear'

export interface Growth {
  readonly name: GrowthName
  /** Of the power law that fits all points best. */
  readonly exponent: number
  /** Of the one through the last two points: what is constant hides the rest at small sizes. */
  readonly lastExponent: number
}

/** A cost has the first of these names whose exponent it stays below. */
export const GROWTH_LIMITS: readonly (readonly [name: GrowthName, exponentMax: number])[] = [
  ['flat', 0.1],
  ['slower than linear', 0.8],
  ['linear', 1.2],
]

/** Requires: two points at least, of different sizes. The name is that of the larger exponent. */
export function growthOf({ points }: Pick<Curve, 'points'>): Growth {
  const exponent = powerOf(points)
  const lastExponent = powerOf(points.slice(-2))
  const largest = Math.max(exponent, lastExponent)
  const name = GROWTH_LIMITS.find(([, max]) => largest < max)?.[0] ?? 'faster than linear'
  return { name, exponent, lastExponent }
}

/** The b of a·sizeᵇ with the least squares of the logarithms. */
function powerOf(points: readonly Point[]): number {
  const logs = points.map(({ size, value }) => ({ x: Math.log(size), y: Math.log(value) }))
  const mean = (of: (log: { x: number; y: number }) => number): number =>
    logs.reduce((sum, log) => sum + of(log), 0) / logs.length
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)]
  const covariance = mean(({ x, y }) => (x - meanX) * (y - meanY))
  return covariance / mean(({ x }) => (x - meanX) ** 2)
}
