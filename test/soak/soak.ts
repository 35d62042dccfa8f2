/**
 * Goal: whatever kills the daemon and its users, and however often, nothing acknowledged is lost,
 * nothing is half there, nothing hangs, and the daemon does not grow.
 * Method: programs of many kinds work on one mount and note outside of it what was acknowledged; they
 * and the daemon are killed at random, the mount comes back by itself, and whoever comes back too
 * verifies before going on. Phases without kills show how the daemon grows.
 */
import { appendFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { needs } from '../mount/support/run.ts'
import { Random } from '../support/random.ts'
import { Control } from './control.ts'
import { Crew } from './crew.ts'
import { Harm } from './harm.ts'
import { MountedVolume } from './mounted-volume.ts'
import type { SoakOptions } from './options.ts'
import { Probe } from './probe.ts'
import type { SoakResult } from './result.ts'
import { Violation } from './violation.ts'

const LOOK_EVERY_MS = 1000

/** What workers are or use, by the names of their packages too. */
const PROGRAMS = ['python3', 'sqlite3', 'git', 'tar']

export class Soak {
  readonly #options: SoakOptions
  readonly #folder: string
  readonly #mounted: MountedVolume
  readonly #control: Control
  readonly #crew: Crew
  readonly #harm: Harm
  readonly #probe: Probe
  readonly #random: Random
  #violation: Violation | undefined
  #calmBegin = 0
  #calmEnd = 0

  /** Ends soon, and cleans up, when `interrupted` is aborted. */
  static async run(options: SoakOptions, interrupted?: AbortSignal): Promise<SoakResult> {
    for (const command of PROGRAMS) await needs(command, command)
    const folder = await mkdtemp(join(tmpdir(), 'oatomic-soak-'))
    await mkdir(join(folder, 'state'))
    const soak = new Soak(options, folder)
    interrupted?.addEventListener('abort', () => {
      soak.#violation ??= new Violation('interrupted')
    })
    return soak.#run()
  }

  private constructor(options: SoakOptions, folder: string) {
    const state = join(folder, 'state')
    this.#options = options
    this.#folder = folder
    this.#random = new Random(options.seed)
    this.#mounted = new MountedVolume(folder)
    this.#control = new Control(state)
    const place = { mountpoint: this.#mounted.mountpoint, state, seed: options.seed }
    this.#crew = new Crew(place, this.#control, (violation) => {
      this.#violation ??= violation
    })
    this.#harm = new Harm(this.#mounted, this.#crew, this.#control, this.#random.fork(), (what) => {
      appendFileSync(join(folder, 'acts'), `${new Date().toISOString()} ${what}\n`)
    })
    this.#probe = new Probe(this.#mounted)
  }

  async #run(): Promise<SoakResult> {
    const looking = setInterval(() => {
      this.#look()
    }, LOOK_EVERY_MS)
    try {
      await this.#live()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation ??= error
    } finally {
      clearInterval(looking)
      await this.#crew.killAll()
      await this.#mounted.tearDown()
      this.#control.close()
    }
    return this.#result()
  }

  async #live(): Promise<void> {
    const { minutes, roundCount, calmShare } = this.#options
    await this.#mounted.make()
    await this.#mounted.mount()
    this.#control.endHarm()
    this.#crew.start()
    const roundMs = (minutes * 60_000) / roundCount
    for (let round = 0; round < roundCount; round++) {
      await this.#harmUntil(performance.now() + roundMs * (1 - calmShare))
      this.#calmBegin = this.#probe.seconds
      await this.#waitUntil(performance.now() + roundMs * calmShare)
      this.#calmEnd = this.#probe.seconds
    }
    await this.#end()
  }

  async #harmUntil(deadline: number): Promise<void> {
    const [least, most] = this.#options.gapMs
    while (performance.now() < deadline) {
      await this.#waitUntil(performance.now() + least + this.#random.int(most - least))
      await this.#harm.act()
    }
  }

  /** Waits; throws the violation that has been found meanwhile. */
  async #waitUntil(time: number): Promise<void> {
    do {
      this.#throwViolation()
      await sleep(Math.max(0, Math.min(LOOK_EVERY_MS, time - performance.now())))
    } while (performance.now() < time)
    this.#throwViolation()
  }

  #throwViolation(): void {
    const violation: Violation | undefined = this.#violation
    if (violation !== undefined) throw violation
  }

  /** Everything is verified before and after an unmount in order. */
  async #end(): Promise<void> {
    this.#control.beginHarm()
    await this.#crew.untilParked()
    await this.#crew.stop()
    await this.#crew.verify()
    await this.#mounted.unmount()
    await this.#mounted.check()
    await this.#mounted.mount()
    await this.#crew.verify()
    await this.#mounted.unmount()
    await this.#mounted.check()
  }

  #look(): void {
    this.#probe.look()
    try {
      this.#crew.checkProgress()
    } catch (error) {
      if (error instanceof Violation) this.#violation ??= error
    }
  }

  async #result(): Promise<SoakResult> {
    const { samples } = this.#probe
    const counts = this.#crew.counts()
    const complaints = this.#mounted.complaints()
    const isKept = this.#options.keep || this.#violation !== undefined
    if (!isKept) await rm(this.#folder, { recursive: true })
    return {
      violation: this.#violation?.message,
      folder: isKept ? this.#folder : undefined,
      mounted: this.#mounted,
      harm: this.#harm,
      counts,
      samples,
      calmSamples: samples.filter(({ at }) => at >= this.#calmBegin && at <= this.#calmEnd),
      seconds: this.#probe.seconds,
      complaints,
    }
  }
}
