/** A bar on a terminal; elsewhere a line now and then; nothing with JSON. */
import { type ScrubReport, shownBytes } from './scrub-report.ts'

const BAR_WIDTH = 24
const LINE_EVERY_MS = 10_000
/** Over so long the speed is measured. */
const SPEED_MS = 3000

interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export class ScrubProgress {
  private readonly output: Output
  private readonly kind: 'bar' | 'lines' | 'none'
  private readonly samples: { readonly at: number; readonly bytes: number }[] = []
  private lineAt = performance.now()

  constructor(output: Output, isQuiet: boolean) {
    this.output = output
    this.kind = isQuiet ? 'none' : output.isTTY === true ? 'bar' : 'lines'
  }

  show(report: ScrubReport): void {
    const now = performance.now()
    this.samples.push({ at: now, bytes: report.doneBytes })
    while ((this.samples[1]?.at ?? now) < now - SPEED_MS) this.samples.shift()
    if (this.kind === 'bar') this.output.write(`\r\u001B[K${this.bar(report)}`)
    if (this.kind === 'lines' && now - this.lineAt >= LINE_EVERY_MS) {
      this.lineAt = now
      this.output.write(`${this.text(report)}\n`)
    }
  }

  clear(): void {
    if (this.kind === 'bar') this.output.write('\r\u001B[K')
  }

  private bar(report: ScrubReport): string {
    const filled = Math.round(BAR_WIDTH * partOf(report))
    return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${this.text(report)}`
  }

  private text(report: ScrubReport): string {
    const { doneBytes, totalBytes, findingCount } = report
    const speed = this.bytesPerSecond()
    const left = speed > 0 ? shownTime((totalBytes - doneBytes) / speed) : '?'
    const found = findingCount === 0 ? '' : `, ${findingCount} findings`
    const percent = Math.floor(100 * partOf(report))
    return (
      `${percent} %, ${shownBytes(doneBytes)} of ${shownBytes(totalBytes)}, ` +
      `${shownBytes(speed)}/s, ${left} left${found}`
    )
  }

  private bytesPerSecond(): number {
    const [first] = this.samples
    const last = this.samples.at(-1)
    if (first === undefined || last === undefined || last.at <= first.at) return 0
    return Math.round(((last.bytes - first.bytes) * 1000) / (last.at - first.at))
  }
}

function partOf({ doneBytes, totalBytes }: ScrubReport): number {
  return totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes)
}

const pad = (value: number): string => String(value).padStart(2, '0')

function shownTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  const minutes = `${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`
  return whole < 3600 ? minutes : `${Math.floor(whole / 3600)}:${minutes}`
}
