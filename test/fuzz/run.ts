/**
 * A fuzzing campaign: `npm run fuzz -- [TARGET...] [--minutes M] [--inputs N] [--seed N] [--jobs J]`.
 * Time is shared among the targets by weight, in slices that go to worker processes. Ends with 1 if
 * anything was found; what was found is in test/fuzz/findings, to be named, fixed and kept.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import { type SliceResult, runSlice } from './kit/supervise.ts'
import type { Target } from './kit/target.ts'
import { readCommandLine } from '../support/command-line.ts'
import { type CampaignPlan, parsePlan, USAGE } from './options.ts'
import { Totals, storeFinding } from './report.ts'
import { TARGETS } from './targets/all.ts'

const SLICE_MS_MAX = 60_000
const FINDINGS = join(import.meta.dirname, '..', '..', '..', 'test', 'fuzz', 'findings')

interface Share {
  readonly target: Target
  timeMsLeft: number
  inputsLeft: number
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

class Runner {
  private readonly plan: CampaignPlan
  private readonly totals = new Totals()
  private readonly random: Random
  private readonly folder = mkdtempSync(join(tmpdir(), 'oatomic-fuzz-'))
  private readonly shares: Share[]

  constructor(plan: CampaignPlan) {
    this.plan = plan
    this.random = new Random(plan.seed)
    const weights = plan.targets.reduce((sum, { weight }) => sum + weight, 0)
    this.shares = plan.targets.map((target) => ({
      target,
      timeMsLeft: (plan.minutes * 60_000 * plan.jobs * target.weight) / weights,
      inputsLeft: plan.inputs,
    }))
  }

  /** Resolves with whether nothing was found. */
  async run(): Promise<boolean> {
    const { plan } = this
    print(`seed ${plan.seed}, ${plan.targets.length} targets, ${plan.jobs} jobs`)
    try {
      await Promise.all(Array.from({ length: plan.jobs }, (_, job) => this.work(job)))
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
    for (const line of this.totals.lines()) print(line)
    print(`${this.totals.inputCount} inputs, ${this.totals.findings.size} findings`)
    return this.totals.findings.size === 0
  }

  private async work(job: number): Promise<void> {
    for (let share = this.next(); share !== undefined; share = this.next()) {
      const timeMsMax = Math.min(SLICE_MS_MAX, share.timeMsLeft)
      const inputCountMax = share.inputsLeft
      share.timeMsLeft -= timeMsMax
      share.inputsLeft = 0
      const result = await runSlice({
        target: share.target.name,
        seed: this.random.next(),
        inputCountMax: Math.min(inputCountMax, Number.MAX_SAFE_INTEGER),
        timeMsMax,
        withCoverage: this.plan.withCoverage,
        tracePath: join(this.folder, `job-${job}`),
      })
      share.inputsLeft = inputCountMax - result.inputCount
      // What a death has cost of its slice is run under another seed.
      share.timeMsLeft += Math.max(0, timeMsMax - result.timeMs)
      if (share.timeMsLeft < 50) share.timeMsLeft = 0
      this.note(result)
    }
  }

  /** The share that has the most left. */
  private next(): Share | undefined {
    const [first] = this.shares
      .filter(({ timeMsLeft, inputsLeft }) => timeMsLeft > 0 && inputsLeft > 0)
      .toSorted((a, b) => b.timeMsLeft - a.timeMsLeft)
    return first
  }

  private note(result: SliceResult): void {
    for (const finding of this.totals.add(result)) {
      const path = storeFinding(FINDINGS, finding)
      print(`FOUND by ${finding.target}, seed ${finding.seed}, input in ${path}`)
      print(finding.message)
    }
  }
}

const plan = readCommandLine(USAGE, (parameters) => parsePlan(parameters, TARGETS))
process.exit((await new Runner(plan).run()) ? 0 : 1)
