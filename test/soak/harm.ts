/** What is done to the mount and its users. Each act ends when the mount has come back and works. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import type { Control } from './control.ts'
import type { Crew } from './crew.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { Violation } from './violation.ts'

/** The supervisor gives up at the fifth death within 60 s; nobody is to come close. */
const DEATHS_MAX = 4
const DEATHS_WITHIN_MS = 63_000

/** The life of the next daemon in which it is killed again: mostly while it recovers. */
const SECOND_KILL_WITHIN_MS = 700
const NEXT_DAEMON_TIMEOUT_MS = 5000

export const ACTS = ['workers', 'daemon', 'both', 'twice', 'unmount', 'terminate'] as const
export type Act = (typeof ACTS)[number]

/** How often each act is chosen, and how many daemons it kills. */
const PLAN: Readonly<Record<Act, { readonly weight: number; readonly deaths: number }>> = {
  workers: { weight: 8, deaths: 0 },
  daemon: { weight: 8, deaths: 1 },
  both: { weight: 4, deaths: 1 },
  twice: { weight: 3, deaths: 2 },
  unmount: { weight: 1, deaths: 0 },
  terminate: { weight: 1, deaths: 0 },
}

interface Death {
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly time: number
}

export class Harm {
  readonly #mounted: MountedVolume
  readonly #crew: Crew
  readonly #control: Control
  readonly #random: Random
  /** Told of everything that is done. */
  readonly #tell: (what: string) => void
  #deaths: number[] = []
  readonly actCounts = new Map<Act, number>(ACTS.map((act) => [act, 0]))
  daemonKills = 0
  workerKills = 0
  /** Milliseconds from the last kill until the mount was live again. */
  readonly recoveries: number[] = []

  constructor(
    mounted: MountedVolume,
    crew: Crew,
    control: Control,
    random: Random,
    tell: (what: string) => void,
  ) {
    this.#tell = tell
    this.#mounted = mounted
    this.#crew = crew
    this.#control = control
    this.#random = random
  }

  /** Chooses an act and does it. Throws Violation when the mount does not come back from it. */
  async act(): Promise<void> {
    const act = this.#choose()
    this.#tell(act)
    this.actCounts.set(act, (this.actCounts.get(act) ?? 0) + 1)
    if (act === 'workers') {
      this.#killWorkers()
      return
    }
    this.#control.beginHarm()
    this.#crew.noteHarm()
    if (act === 'unmount') await this.#unmount()
    else if (act === 'terminate') await this.#terminate()
    else await this.#killDaemon(act)
    this.#crew.noteHarm()
    this.#tell('back')
    this.#control.endHarm()
  }

  #choose(): Act {
    const now = Date.now()
    this.#deaths = this.#deaths.filter((time) => now - time < DEATHS_WITHIN_MS)
    const left = DEATHS_MAX - this.#deaths.length
    const choices = ACTS.filter((act) => PLAN[act].deaths <= left)
    return this.#random.pick(choices.flatMap((act) => Array<Act>(PLAN[act].weight).fill(act)))
  }

  #killWorkers(): void {
    const victims = this.#crew.kill(1 + this.#random.int(3), this.#random)
    this.workerKills += victims.length
    this.#tell(`killed ${victims.join(' ')}`)
  }

  async #killDaemon(act: Act): Promise<void> {
    if (act === 'both' && this.#random.oneIn(2)) this.#killWorkers()
    const first = this.#killOnce()
    if (act === 'both') this.#killWorkers()
    const last = act === 'twice' ? await this.#killNext(first.pid) : first
    this.recoveries.push(await this.#mounted.untilBack(last.time))
  }

  #killOnce(): Death {
    const pid = this.#mounted.daemonPid()
    if (pid === undefined) throw new Violation('There is no daemon')
    const time = Date.now()
    process.kill(pid, 'SIGKILL')
    this.#deaths.push(time)
    this.daemonKills++
    return { pid, time }
  }

  /** Kills the daemon that comes after another one, early in its life. */
  async #killNext(pid: number): Promise<Death> {
    const deadline = Date.now() + NEXT_DAEMON_TIMEOUT_MS
    while ([undefined, pid].includes(this.#mounted.daemonPid())) {
      if (Date.now() > deadline) throw new Violation('No daemon comes after one that was killed')
      await sleep(1)
    }
    await sleep(this.#random.int(SECOND_KILL_WITHIN_MS))
    return this.#killOnce()
  }

  async #unmount(): Promise<void> {
    await this.#crew.untilParked()
    await this.#mounted.unmount()
    await this.#mounted.check()
    await this.#mounted.mount()
  }

  async #terminate(): Promise<void> {
    await this.#mounted.terminate()
    await this.#mounted.mount()
  }
}
