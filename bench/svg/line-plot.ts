/** Curves in one plot, each in units of its own first value, on logarithmic axes. */
import type { Curve } from '../curves/curve.ts'
import { logAxis, powersOfTen, roundedOut, showPower } from './log-axis.ts'
import { SERIES_COUNT, element, picture, text } from './svg.ts'

export interface LinePlot {
  readonly title: string
  readonly label: string
  readonly showX: (size: number) => string
  readonly curves: readonly Curve[]
}

const WIDTH = 760
const HEIGHT = 400
const PLOT = { left: 64, right: 560, top: 48, bottom: 340 }
const LEGEND_STEP = 22

export function linePlot({ title, label, showX, curves }: LinePlot): string {
  const sizes = curves[0]?.points.map(({ size }) => size) ?? []
  const [smallest, largest] = [Math.min(...sizes), Math.max(...sizes)]
  const lines = curves.map(({ points }) => relative(points.map(({ value }) => value)))
  const [low, high] = roundedOut(lines.flat())
  const x = logAxis(smallest, largest, PLOT.left, PLOT.right)
  const y = logAxis(low, high, PLOT.bottom, PLOT.top)
  const { left, right, top, bottom } = PLOT
  const horizontal = powersOfTen(low, high).flatMap((value) => [
    element('line', { class: 'grid', x1: left, x2: right, y1: y.at(value), y2: y.at(value) }),
    text(
      { x: left - 8, y: y.at(value) + 4, 'text-anchor': 'end', class: 'soft' },
      `${showPower(value)} ×`,
    ),
  ])
  const vertical = sizes.flatMap((size) => [
    element('line', { class: 'grid', x1: x.at(size), x2: x.at(size), y1: top, y2: bottom }),
    text({ x: x.at(size), y: bottom + 18, 'text-anchor': 'middle', class: 'soft' }, showX(size)),
  ])
  const end = Math.min(largest, (smallest * high) / 1)
  const guide = element('line', {
    class: 'guide',
    x1: x.at(smallest),
    y1: y.at(1),
    x2: x.at(end),
    y2: y.at(end / smallest),
  })
  const series = curves.flatMap((curve, index) => {
    const places = sizes.map((size, i) => [x.at(size), y.at(lines[index]?.[i] ?? 1)] as const)
    const points = places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ')
    const ink = index % SERIES_COUNT
    const legendY = top + 10 + index * LEGEND_STEP
    return [
      element('polyline', { class: `line${ink}`, points }),
      ...places.map(([px, py]) => marker(ink, px, py)),
      marker(ink, right + 24, legendY - 4),
      text({ x: right + 36, y: legendY }, curve.name),
    ]
  })
  const guideY = top + 10 + curves.length * LEGEND_STEP
  return picture(WIDTH, HEIGHT, title, [
    text({ x: left, y: 28, class: 'title' }, title),
    ...horizontal,
    ...vertical,
    guide,
    ...series,
    element('line', {
      class: 'guide',
      x1: right + 16,
      x2: right + 32,
      y1: guideY - 4,
      y2: guideY - 4,
    }),
    text({ x: right + 36, y: guideY, class: 'soft' }, 'linear growth'),
    text({ x: (left + right) / 2, y: bottom + 42, 'text-anchor': 'middle' }, label),
  ])
}

function relative(values: readonly number[]): number[] {
  const first = values[0] ?? 1
  return values.map((value) => value / first)
}

/** A shape of its own for each series, so that it is told without its colour, too. */
function marker(series: number, x: number, y: number): string {
  const fill = { class: `fill${series}` }
  const r = 4.5
  switch (series) {
    case 0:
      return element('circle', { ...fill, cx: x, cy: y, r })
    case 1:
      return element('rect', { ...fill, x: x - r + 0.5, y: y - r + 0.5, width: 8, height: 8 })
    case 2:
      return shape([
        [x, y - r - 1],
        [x + r + 1, y + r - 1],
        [x - r - 1, y + r - 1],
      ])
    case 3:
      return shape([
        [x, y - r - 1],
        [x + r + 1, y],
        [x, y + r + 1],
        [x - r - 1, y],
      ])
    case 4:
      return shape([
        [x, y + r + 1],
        [x + r + 1, y - r + 1],
        [x - r - 1, y - r + 1],
      ])
    default:
      return element('rect', { ...fill, x: x - 6, y: y - 2, width: 12, height: 4 })
  }
  function shape(corners: readonly (readonly [number, number])[]): string {
    const points = corners.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ')
    return element('polygon', { ...fill, points })
  }
}
