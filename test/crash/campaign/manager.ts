/** Starts the workers of a campaign, adds up what they say, and ends them. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Violation } from './campaign.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { Options } from './options.ts'
import type { Report } from './report.ts'
import { sequenceCounts } from './schedule.ts'
import { printWorkload } from './text.ts'
import { NO_TOTALS, type Totals, add } from './totals.ts'

const MINUTE_MS = 60_000

/** Different violations after which all workers end. */
const VIOLATION_COUNT_MAX = 10

/** How long a worker may be silent. Shrinking is the longest time that it has nothing to say. */
const SILENCE_MS = 10 * MINUTE_MS

export class Manager {
  readonly sequences = sequenceCounts()
  readonly violations: Violation[] = []
  onViolation: (violation: Violation) => void = () => undefined
  hasFailed = false
  private readonly options: Options
  private readonly started = performance.now()
  private readonly totalsOf = new Map<number, Totals>()
  private readonly workers: ChildProcess[] = []
  private end: string | undefined

  constructor(options: Options) {
    this.options = options
  }

  get totals(): Totals {
    return [...this.totalsOf.values()].reduce((sum, totals) => add(sum, totals), NO_TOTALS)
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000
  }

  async run(): Promise<Report> {
    const { seed, jobCount, minutes } = this.options
    const startedAt = new Date().toISOString()
    const timer = setTimeout(() => {
      this.stop('the time limit')
    }, minutes * MINUTE_MS)
    if (minutes === 0) clearTimeout(timer)
    await Promise.all(Array.from({ length: jobCount }, (_, job) => this.runWorker(job)))
    clearTimeout(timer)
    const { sequences, totals, violations, seconds } = this
    const end = this.end ?? (this.options.all ? 'having tried all' : 'the number of states')
    return { seed, jobCount, startedAt, seconds, end, sequences, totals, violations }
  }

  /** Lets each worker end the workload that it is at. */
  stop(why: string): void {
    this.end ??= why
    for (const worker of this.workers) if (worker.connected) send(worker, { type: 'stop' })
  }

  private async runWorker(job: number): Promise<void> {
    if (this.end !== undefined) return
    const { seed, jobCount, all, stateCount, levelPart } = this.options
    const worker = fork(join(import.meta.dirname, 'worker.js'), {
      execArgv: ['--enable-source-maps'],
    })
    this.workers.push(worker)
    const share = { seed, job, jobCount, all }
    send(worker, { type: 'begin', share, stateCount: Math.ceil(stateCount / jobCount), levelPart })
    const kill = (): void => {
      this.stop(`worker ${job} being silent`)
      worker.kill('SIGKILL')
    }
    let silence = setTimeout(kill, SILENCE_MS)
    worker.on('message', (message: FromWorker) => {
      clearTimeout(silence)
      silence = setTimeout(kill, SILENCE_MS)
      if (message.type === 'totals') this.totalsOf.set(job, message.totals)
      else this.note(message.violation)
    })
    const code = await new Promise<number | null>((resolve) => {
      worker.once('exit', resolve)
    })
    clearTimeout(silence)
    if (code === 0) return
    this.hasFailed = true
    this.stop(`the failure of worker ${job}`)
  }

  private note(violation: Violation): void {
    const text = printWorkload(violation.workload)
    if (this.violations.some((known) => printWorkload(known.workload) === text)) return
    this.violations.push(violation)
    this.onViolation(violation)
    if (this.violations.length >= VIOLATION_COUNT_MAX) this.stop('the number of violations')
  }
}

function send(worker: ChildProcess, message: ToWorker): void {
  worker.send(message)
}
