/** One worker's share of a campaign: workloads in their order, until it is enough. */
import { Random } from '../../support/random.ts'
import { Jury } from '../jury.ts'
import { type ExamineOptions, type Finding, examine } from './examine.ts'
import { examineOnLevel, levelWorkload } from './on-level.ts'
import type { Workload } from './operations.ts'
import { type Planned, type Share, schedule } from './schedule.ts'
import { shrink } from './shrink.ts'
import { NO_TOTALS, type Totals, add, countsOf, sumOf } from './totals.ts'

/** What a campaign has found, made small. */
export interface Violation {
  readonly seed: number
  /** As it was found. */
  readonly original: Workload
  readonly workload: Workload
  readonly finding: Finding
}

export interface CampaignOptions {
  readonly share: Share
  /** How many states this worker judges; 0 for no limit. */
  readonly stateCount: number
  /** Part of the time for volumes on a real LevelDB, from 0 to 1. */
  readonly levelPart: number
  readonly isStopped: () => boolean
  readonly onTotals: (totals: Totals) => void
  readonly onViolation: (violation: Violation) => void
}

const IMAGES = { randomCount: 2, omittedCount: 2 } as const

/** One image in so many is recovered on a device that crashes again. */
const RECOVERY_ONE_IN = 150

/** The longest time that making one violation small takes. */
const SHRINK_MS = 180_000

/** Violations after which a worker looks no further: they will be one and the same. */
const VIOLATION_COUNT_MAX = 3

type Examine = (workload: Workload) => Promise<Finding | undefined>

export class Campaign {
  private readonly options: CampaignOptions
  private totals = NO_TOTALS
  private violationCount = 0
  private levelMs = 0
  private levelCount = 0
  private plannedCount = 0
  private readonly started = performance.now()

  constructor(options: CampaignOptions) {
    this.options = options
  }

  async run(): Promise<void> {
    for (const planned of schedule(this.options.share)) {
      if (this.isOver()) break
      await this.tryPlanned(planned)
      if (this.levelMs < this.options.levelPart * (performance.now() - this.started)) {
        await this.tryLevel()
      }
      this.options.onTotals(this.totals)
    }
  }

  private isOver(): boolean {
    const { isStopped, stateCount } = this.options
    if (isStopped() || this.violationCount >= VIOLATION_COUNT_MAX) return true
    return stateCount > 0 && sumOf(this.totals.judged) >= stateCount
  }

  private async tryPlanned({ series, workload }: Planned): Promise<void> {
    if (workload === undefined) {
      this.totals = add(this.totals, { impossible: 1 })
      return
    }
    const jury = new Jury()
    const { share, isStopped } = this.options
    const salt = Math.imul(share.seed + share.job, 0x85ebca6b) + this.plannedCount++
    const options = { jury, ...IMAGES, recoveryOneIn: RECOVERY_ONE_IN, salt, isOver: isStopped }
    const { momentCount, finding } = await examine(workload, options)
    const workloads = { ...NO_TOTALS.workloads, [series]: 1 }
    this.totals = add(this.totals, { workloads, moments: momentCount, ...countsOf(jury) })
    if (finding !== undefined) await this.report(workload, finding, examineAgain(finding, salt))
  }

  /** On a real LevelDB a workload takes a second, so only so many as there is time for. */
  private async tryLevel(): Promise<void> {
    const began = performance.now()
    const { seed, job } = this.options.share
    const choice = Math.imul(seed + 1, 0x85ebca6b) + 1000 * this.levelCount++ + job
    const workload = levelWorkload(new Random(choice))
    const { imageCount, finding } = await examineOnLevel(workload, new Random(choice))
    const counts = { ...NO_TOTALS.judged, LevelDB: imageCount }
    this.totals = add(this.totals, { levelWorkloads: 1, built: counts, judged: counts })
    const again: Examine = async (other) =>
      (await examineOnLevel(other, new Random(choice))).finding
    if (finding !== undefined) await this.report(workload, finding, again)
    this.levelMs += performance.now() - began
  }

  private async report(original: Workload, finding: Finding, again: Examine): Promise<void> {
    this.violationCount++
    const end = performance.now() + SHRINK_MS
    const isOver = (): boolean => performance.now() > end || this.options.isStopped()
    const failure = { workload: original, finding }
    const small = await shrink(failure, { examine: again, isOver })
    this.options.onViolation({ seed: this.options.share.seed, original, ...small })
  }
}

/** Only a fault that a second crash has shown needs second crashes to be seen again. */
function examineAgain({ where }: Finding, salt: number): Examine {
  const recoveryOneIn = where.includes(', then ') ? 20 : 0
  return async (workload) => {
    const options: ExamineOptions = { jury: new Jury(), ...IMAGES, recoveryOneIn, salt }
    return (await examine(workload, options)).finding
  }
}
