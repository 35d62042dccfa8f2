/** Shows figures as a table, which is Markdown as well. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type Figure, type Spread, ratiosOf, spreadOf, verdictOf } from './figures.ts'

const BEGIN = '<!-- results -->'
const END = '<!-- end of results -->'

const HEADINGS = ['figure', 'unit', 'ours', 'other', 'ratio', 'must', 'aim', 'verdict']

export function table(figures: readonly Figure[]): string {
  const rows = [HEADINGS, ...figures.map((figure) => rowOf(figure))]
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = line(widths.map((width) => '-'.repeat(width)))
  const [heading, ...body] = rows.map((row) => line(row))
  return [heading, rule, ...body].join('\n')
}

function rowOf(figure: Figure): string[] {
  const ratios = ratiosOf(figure)
  const { must, aim } = figure.bounds
  return [
    figure.name,
    figure.unit,
    showSpread(spreadOf(figure.ours)),
    figure.other === undefined
      ? ''
      : `${figure.other.name}: ${showSpread(spreadOf(figure.other.values))}`,
    ratios.length === 0 ? '' : showSpread(spreadOf(ratios)),
    showBound(figure, must),
    showBound(figure, aim),
    verdictOf(figure),
  ]
}

function showSpread({ median, min, max }: Spread): string {
  return min === max ? show(median) : `${show(median)} (${show(min)}..${show(max)})`
}

function showBound(figure: Figure, bound: number | undefined): string {
  if (bound === undefined) return ''
  return figure.judged === 'times' ? `≥ ${bound} ×` : `≤ ${bound}`
}

/** Three digits, which is more than such numbers are good for. */
function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

/** Puts text between the marks of a Markdown file; the rest of the file stays. */
export function writeMarkdown(path: string, text: string): void {
  const old = existsSync(path) ? readFileSync(path, 'utf8') : `${BEGIN}\n${END}\n`
  const begin = old.indexOf(BEGIN)
  const end = old.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`"${path}" has no place for results`)
  writeFileSync(path, `${old.slice(0, begin)}${BEGIN}\n\n${text}\n\n${old.slice(end)}`)
}
