const KIB = 1024
const UNITS: Readonly<Record<string, number>> = { '': 1, K: KIB, M: KIB ** 2, G: KIB ** 3 }

/** A number of bytes, with K, M or G for powers of 1024; NaN if it is none. */
export function parseSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(text) ?? []
  return Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN)
}
