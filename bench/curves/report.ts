/** Shows curves as text, which is Markdown as well, and as a page with a plot of each dimension. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { linePlot } from '../svg/line-plot.ts'
import { GROWTH_LIMITS, growthOf } from './curve.ts'
import type { DimensionCurves } from './run.ts'

const LIMITS = GROWTH_LIMITS.map(([name, max]) => `${name} below ${max}`).join(', ')

export const METHOD = `Growth is judged by a power law, a·sizeᵇ: b is fitted to all points (least squares of the
logarithms), and the second b goes through the last two points alone, because what is constant hides the rest at
small sizes. The larger of both gives the name: ${LIMITS}, and else faster than linear.`

/** One table of a dimension. */
export function showCurves({ dimension, curves }: DimensionCurves): string {
  const sizes = curves[0]?.points.map(({ size }) => size) ?? []
  const rows = [
    [
      dimension.label,
      'unit',
      ...sizes.map((size) => showSize(size, dimension.label)),
      'growth',
      'b',
    ],
    ...curves.map((curve) => {
      const { name, exponent, lastExponent } = growthOf(curve)
      const values = curve.points.map(({ value }) => showValue(value))
      return [
        curve.name,
        curve.unit,
        ...values,
        name,
        `${exponent.toFixed(2)}, ${lastExponent.toFixed(2)}`,
      ]
    }),
  ]
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join(' | ')} |`
  const rule = line(widths?.map((width) => '-'.repeat(width)) ?? [])
  const [heading = '', ...body] = rows.map((row) => line(row))
  return [heading, rule, ...body].join('\n')
}

/** Writes the page, and the plots beside it. */
export function writeCurves(path: string, heading: string, all: readonly DimensionCurves[]): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true })
  const sections = all.map((each) => {
    const { name, dimension, curves } = each
    const plot = `scale-${name}.svg`
    const { title, label } = dimension
    const showX = (size: number): string => showSize(size, label)
    writeFileSync(join(folder, plot), linePlot({ title, label, showX, curves }))
    return [`## ${title}`, `![${title}: cost over ${label}](${plot})`, showCurves(each)].join(
      '\n\n',
    )
  })
  const text = ['# Scale', INTRODUCTION, METHOD, heading, ...sections]
  writeFileSync(path, `${text.join('\n\n')}\n`)
}

const INTRODUCTION = `What operations cost when a volume grows, as \`npm run bench -- --scale\` measures it. Volumes are made and
used without a mount, each in a process of its own: so this is the daemon's part, without the kernel's. Reading
and committing are of one page at a random place, from the name to the closed handle, medians of 500; what the
host has cached stays cached. Memory in use is that of the process after that, without mapped files; of a check
it is the highest, with them. Plots show each cost in units of that at the smallest size.`

/** Bytes in binary units, all else as a power of ten. */
function showSize(size: number, label: string): string {
  if (label !== 'bytes') return size.toLocaleString('en')
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = Math.min(Math.floor(Math.log2(size) / 10), units.length - 1)
  return `${size / 2 ** (10 * unit)} ${units[unit] ?? ''}`
}

const showValue = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value.toPrecision(3)
