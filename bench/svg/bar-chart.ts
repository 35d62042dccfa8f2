/** The ratios of figures as bars on a logarithmic axis, from 1 to the left or to the right. */
import { type Figure, ratiosOf, spreadOf } from '../figures.ts'
import { logAxis, powersOfTen, roundedOut, showPower } from './log-axis.ts'
import { element, picture, text } from './svg.ts'

const WIDTH = 1080
const PLOT = { left: 600, right: 1000, top: 68 }
const ROW = 34
const BAR = 12

const BETTER = 'fill2'
const WORSE = 'fill1'

/** Of the figures that are compared with something; the others are left out. */
export function ratioChart(title: string, all: readonly Figure[]): string {
  const rows = all.flatMap((figure) => {
    const ratios = ratiosOf(figure)
    const isTimes = figure.judged === 'times' && ratios.length > 0
    return isTimes ? [{ figure, spread: spreadOf(ratios) }] : []
  })
  const bounds = rows.flatMap(
    ({
      figure: {
        bounds: { must, aim },
      },
    }) => [must ?? 1, aim ?? 1],
  )
  const medians = rows.flatMap(({ spread }) => [spread.min, spread.max])
  const [low, high] = roundedOut([0.1, 10, ...bounds, ...medians])
  const x = logAxis(low, high, PLOT.left, PLOT.right)
  const bottom = PLOT.top + rows.length * ROW
  const grid = powersOfTen(low, high).flatMap((value) => [
    element('line', {
      class: value === 1 ? 'axis' : 'grid',
      x1: x.at(value),
      x2: x.at(value),
      y1: PLOT.top - 8,
      y2: bottom,
    }),
    text(
      { x: x.at(value), y: PLOT.top - 14, 'text-anchor': 'middle', class: 'soft' },
      `${showPower(value)} ×`,
    ),
  ])
  const bars = rows.flatMap(({ figure, spread: { median, min, max } }, index) => {
    const middle = PLOT.top + index * ROW + ROW / 2
    const [from, to] = [Math.min(x.at(1), x.at(median)), Math.max(x.at(1), x.at(median))]
    const { must, aim } = figure.bounds
    return [
      text({ x: PLOT.left - 12, y: middle - 2, 'text-anchor': 'end' }, figure.name),
      text(
        { x: PLOT.left - 12, y: middle + 12, 'text-anchor': 'end', class: 'soft' },
        `against ${figure.other?.name ?? ''}`,
      ),
      element('rect', {
        class: median >= 1 ? BETTER : WORSE,
        x: from,
        y: middle - BAR / 2,
        width: Math.max(to - from, 1),
        height: BAR,
      }),
      element('line', { class: 'axis', x1: x.at(min), x2: x.at(max), y1: middle, y2: middle }),
      ...(must === undefined ? [] : [mark(x.at(must), middle, 'axis')]),
      ...(aim === undefined ? [] : [mark(x.at(aim), middle, 'guide')]),
      text(
        { x: PLOT.right + 10, y: middle + 4 },
        median >= 100 ? median.toFixed(0) : median.toPrecision(2),
      ),
    ]
  })
  return picture(WIDTH, bottom + 40, title, [
    text({ x: 20, y: 28, class: 'title' }, title),
    ...grid,
    ...bars,
    text(
      { x: 20, y: bottom + 24, class: 'soft' },
      'Bar: median of the rounds. Thin line: lowest to highest. Upright marks: what must be reached, and dashed what is aimed at.',
    ),
  ])
}

function mark(x: number, middle: number, kind: string): string {
  return element('line', { class: kind, x1: x, x2: x, y1: middle - 11, y2: middle + 11 })
}
