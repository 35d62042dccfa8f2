/**
 * Goal: whenever power fails while the real daemon works on a volume on ext4 or XFS, the volume is
 * recovered with every acknowledged commit, every atomic file whole, and nothing wrong with it.
 * Method: disk-history.ts. Each state's filesystem is mounted, the volume recovered and read, compared
 * with the oracle and checked: one in seven by the program as users have it, through a mount of its
 * own, the others by its code in another process. One in three is cut again during recovery.
 */
import { during } from '../support/devices/at-end.ts'
import type { Patch } from '../support/loop-disk/disk-content.ts'
import type { Random } from '../support/random.ts'
import { recoverByBinary } from './binary.ts'
import { assertAllowed } from './compare.ts'
import { CUT_KINDS, cutAt } from './disk-history.ts'
import type { DiskRecording, HostRecording } from './disk-recording.ts'
import { DiskStates } from './disk-states.ts'
import { Recoverer, stateOf } from './recoverer.ts'
import type { Report } from './report.ts'

const BINARY_EVERY = 7
const AGAIN_EVERY = 3

export interface CampaignOptions {
  readonly stateCount: number
  /** When to stop before that, as performance.now() tells the time. */
  readonly deadline?: number
}

export function judgeDisk(
  recording: DiskRecording,
  random: Random,
  report: Report,
  { stateCount, deadline = Infinity }: CampaignOptions,
): Promise<void> {
  return during(async (lifetime) => {
    const states = await DiskStates.start(lifetime, recording)
    const judge = new DiskJudge(recording, states, new Recoverer(lifetime), report)
    for (const moment of momentsOnDisk(recording, random, stateCount)) {
      if (performance.now() > deadline) break
      await judge.judgeMoment(moment, random)
    }
  })
}

class DiskJudge {
  readonly #recording: DiskRecording
  readonly #states: DiskStates
  readonly #recoverer: Recoverer
  readonly #report: Report
  #count = 0

  constructor(recording: DiskRecording, states: DiskStates, recoverer: Recoverer, report: Report) {
    this.#recording = recording
    this.#states = states
    this.#recoverer = recoverer
    this.#report = report
  }

  async judgeMoment(moment: number, random: Random): Promise<void> {
    const { history } = this.#states
    history.advance(moment)
    const index = this.#count++
    const cut = CUT_KINDS[index % CUT_KINDS.length] ?? 'lost'
    const patches = history.cut(cut, random)
    const name = `event ${moment} of ${history.events.length}`
    const byBinary = index % BINARY_EVERY === BINARY_EVERY - 1
    const kind = `disk, ${this.#recording.kind}, ${cut}${byBinary ? ', by the program' : ''}`
    await this.#report.judge(kind, name, () => this.#judge(patches, byBinary))
    if (index % AGAIN_EVERY === 0) await this.#judgeAgain(patches, name, random)
  }

  /** Power fails again while the volume is recovered, or the filesystem below it. */
  async #judgeAgain(first: readonly Patch[], name: string, random: Random): Promise<void> {
    const events = this.#states.written()
    const moment = random.int(events.length + 1)
    const cut = random.pick(CUT_KINDS)
    const patches = [...first, ...cutAt(events, moment, cut, random)]
    const second = `${name}, then event ${moment} of ${events.length}`
    const kind = `disk, ${this.#recording.kind}, ${cut} during recovery`
    await this.#report.judge(kind, second, () => this.#judge(patches, false))
  }

  #judge(patches: readonly Patch[], byBinary: boolean): Promise<void> {
    const { volume, history } = this.#states
    const crash = { eventCount: history.markCount, isKill: false }
    return this.#states.mounted(patches, async () => {
      const state = byBinary
        ? await during((lifetime) => recoverByBinary(lifetime, volume))
        : stateOf(await this.#recoverer.recover(volume))
      assertAllowed(state, this.#recording.oracle.allowed(crash))
    })
  }
}

/** Moments in order. Half of them are before a flush, when most is unflushed. */
export function momentsOnDisk(
  { events, start }: HostRecording,
  random: Random,
  count: number,
): number[] {
  const all = Array.from({ length: events.length - start + 1 }, (_, i) => start + i)
  const flushes = all.filter((moment) => events[moment]?.type === 'flush')
  const writes = all.filter((moment) => events[moment - 1]?.type === 'write')
  const chosen = Array.from({ length: count }, (_, i) =>
    random.pick(i % 2 === 0 && flushes.length > 0 ? flushes : writes),
  )
  return chosen.toSorted((a, b) => a - b)
}
