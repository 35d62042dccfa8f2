/**
 * One target's campaign in this process: makes inputs, runs them, keeps those that reach new code,
 * and goes on after a failure. Everything follows from the seed and the number of inputs.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Random } from '../../support/random.ts'
import type { Coverage } from './coverage.ts'
import { type Finding, messageOf, signatureOf } from './finding.ts'
import { minimise } from './minimise.ts'
import { mutate } from './mutate.ts'
import type { Input, Target } from './target.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly inputCountMax: number
  readonly timeMsMax: number
  readonly coverage?: Coverage
  /** Told of each input before it runs. */
  readonly onInput?: (input: Input) => void
  /** Told of how many have run, now and then. */
  readonly onProgress?: (inputCount: number) => void
}

export interface CampaignResult {
  readonly target: string
  readonly seed: number
  readonly inputCount: number
  readonly timeMs: number
  /** How often an input reached new code. */
  readonly newCoverageCount: number
  readonly findings: readonly Finding[]
}

const KEPT_MAX = 256
const PROGRESS_MS = 1000
/** One input takes less than this, or the program hangs for those who use it. */
const INPUT_CPU_MS_MAX = 5000
const FINDINGS_MAX = 20
const MINIMISE_RUNS_MAX = 2000
const MINIMISE_MS_MAX = 20_000

/** The share of the time that looking at the coverage may take. */
const SAMPLING_SHARE = 0.1
const SAMPLE_INPUTS_MAX = 4096

export async function runCampaign(
  target: Target,
  options: CampaignOptions,
): Promise<CampaignResult> {
  const campaign = new Campaign(target, options)
  process.on('unhandledRejection', campaign.onRejection)
  try {
    return await campaign.run()
  } finally {
    process.off('unhandledRejection', campaign.onRejection)
  }
}

class Campaign {
  private readonly target: Target
  private readonly options: CampaignOptions
  private readonly random: Random
  private readonly kept: Input[] = []
  private readonly findings = new Map<string, Finding>()
  private readonly rejections: unknown[] = []
  private newCoverageCount = 0

  constructor(target: Target, options: CampaignOptions) {
    this.target = target
    this.options = options
    this.random = new Random(options.seed)
  }

  readonly onRejection = (reason: unknown): void => {
    this.rejections.push(reason)
  }

  async run(): Promise<CampaignResult> {
    const { inputCountMax, timeMsMax, coverage, onInput, onProgress, seed } = this.options
    const started = performance.now()
    let toldAt = started
    let inputCount = 0
    let recent: Input[] = []
    let every = 16
    let samplingMs = 0
    let sinceSample = 0
    while (inputCount < inputCountMax && this.findings.size < FINDINGS_MAX) {
      const input = this.next()
      onInput?.(input)
      await this.attempt(input)
      inputCount++
      if (coverage !== undefined) recent.push(input)
      if (++sinceSample < every) continue
      sinceSample = 0
      const sampledAt = performance.now()
      if (coverage?.takeNew() === true) this.keep(recent)
      recent = []
      const now = performance.now()
      samplingMs += now - sampledAt
      every = nextSample(every, samplingMs / (now - started))
      if (now - toldAt > PROGRESS_MS) {
        toldAt = now
        onProgress?.(inputCount)
      }
      if (now - started > timeMsMax) break
    }
    const timeMs = performance.now() - started
    const { newCoverageCount } = this
    const findings = [...this.findings.values()]
    return { target: this.target.name, seed, inputCount, timeMs, newCoverageCount, findings }
  }

  /** A fresh input or a changed one; of the latter most are sealed again. */
  private next(): Input {
    const { random, target } = this
    const isOld = this.kept.length > 0 && random.oneIn(2)
    const base = isOld ? random.pick(this.kept) : target.generate(random)
    if (!isOld && random.oneIn(4)) return base
    const changed = mutate(random, base, target.generate(random))
    return target.seal !== undefined && !random.oneIn(8) ? target.seal(changed, random) : changed
  }

  /** One of these has reached something new, and the others are near it. */
  private keep(inputs: readonly Input[]): void {
    this.newCoverageCount++
    for (const input of inputs.slice(-8)) {
      if (this.kept.length < KEPT_MAX) this.kept.push(input)
      else this.kept[this.random.int(KEPT_MAX)] = input
    }
  }

  private async attempt(input: Input): Promise<void> {
    const error = await this.failureOf(input)
    if (error === undefined) return
    const signature = signatureOf(error)
    if (this.findings.has(signature)) return
    const small = await minimise(input, async (each) => this.failsAs(signature, each), {
      runsMax: MINIMISE_RUNS_MAX,
      timeMsMax: MINIMISE_MS_MAX,
    })
    const message = messageOf((await this.failureOf(small)) ?? error)
    const { seed } = this.options
    this.findings.set(signature, {
      target: this.target.name,
      signature,
      message,
      seed,
      input: small,
    })
  }

  private async failsAs(signature: string, input: Input): Promise<boolean> {
    const error = await this.failureOf(input)
    return error !== undefined && signatureOf(error) === signature
  }

  private async failureOf(input: Input): Promise<unknown> {
    const before = process.cpuUsage()
    try {
      const running = this.target.run(input)
      if (running !== undefined) {
        await running
        // A rejection that nobody handles is told of in the next turn.
        await nextTurn()
      }
    } catch (error) {
      this.rejections.length = 0
      return error ?? new Error('nothing was thrown')
    }
    if (this.rejections.length > 0) {
      return new Error('A promise was rejected and nobody handled it', {
        cause: this.rejections.splice(0)[0],
      })
    }
    const used = process.cpuUsage(before)
    const usedMs = (used.user + used.system) / 1000
    return usedMs > INPUT_CPU_MS_MAX ? new Error(`The input took ${usedMs} ms`) : undefined
  }
}

/** Inputs until the next look at the coverage. */
function nextSample(every: number, share: number): number {
  const wanted = share > SAMPLING_SHARE ? every * 2 : every / 2
  return Math.max(4, Math.min(SAMPLE_INPUTS_MAX, Math.ceil(wanted)))
}
