/** All workers of a soak: started, killed, started again, and watched so that none hangs. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import { CREW } from './crew-list.ts'
import type { Control } from './control.ts'
import { readOr } from './mounted-volume.ts'
import { Violation } from './violation.ts'
import {
  type WorkerEnd,
  type WorkerPlace,
  type WorkerSpec,
  WorkerProcess,
} from './worker-process.ts'

/** No operation of a worker takes this long, not even while another one is killed. */
const HANG_S = 90
const PARK_TIMEOUT_MS = 90_000
const DEATH_TIMEOUT_MS = 30_000
const POLL_MS = 20

/** Workers of this kind at times fail or kill themselves in the middle of an update. */
const SUICIDAL = 'pages'
const FAILURE_STATUS = 3

export class Crew {
  readonly #place: WorkerPlace
  readonly #control: Control
  readonly #workers = new Map<string, WorkerProcess>()
  readonly #fail: (violation: Violation) => void
  #isStopping = false
  #lastHarm = 0

  constructor(place: WorkerPlace, control: Control, fail: (violation: Violation) => void) {
    this.#place = place
    this.#control = control
    this.#fail = fail
  }

  start(): void {
    for (const spec of CREW) this.#startOne(spec)
  }

  /** Kills some of them; they are started again at once. Returns their names. */
  kill(count: number, random: Random): readonly string[] {
    const victims = random.shuffle([...this.#workers.values()]).slice(0, count)
    for (const victim of victims) victim.kill()
    return victims.map(({ spec }) => spec.name)
  }

  /** Notes that the mount is about to be harmed: who has it mapped may die of that. */
  noteHarm(): void {
    this.#lastHarm = Date.now()
  }

  /** Resolves when all wait for the mount, and nobody has anything open there. */
  async untilParked(): Promise<void> {
    const deadline = Date.now() + PARK_TIMEOUT_MS
    for (;;) {
      const busy = [...this.#workers.values()].filter((each) => each.operation().what !== 'waiting')
      if (busy.length === 0) return
      if (Date.now() > deadline) throw new Violation(`They do not stop: ${describe(busy)}`)
      await sleep(POLL_MS)
    }
  }

  /** Has those who wait end. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const ends = [...this.#workers.values()].map((each) => each.ended)
    this.#control.stop()
    await Promise.all(ends)
  }

  /** Kills all for good. */
  async killAll(): Promise<void> {
    this.#isStopping = true
    const workers = [...this.#workers.values()]
    for (const each of workers) each.kill()
    await Promise.race([
      Promise.all(workers.map((each) => each.ended)),
      sleep(DEATH_TIMEOUT_MS, undefined, { ref: false }),
    ])
  }

  /** Has each verify once what it has left. */
  async verify(): Promise<void> {
    for (const spec of CREW) {
      const { status, signal, output } = await new WorkerProcess(spec, this.#place, 'verify').ended
      if (status !== 0) throw new Violation(`${spec.name}: ${signal ?? String(status)}: ${output}`)
    }
  }

  /** Throws Violation when one of them is at the same operation for too long. */
  checkProgress(): void {
    for (const worker of this.#workers.values()) {
      const { what, seconds } = worker.operation()
      if (what === 'waiting' || seconds < HANG_S) continue
      throw new Violation(
        `${worker.spec.name} has been at "${what}" for ${seconds.toFixed(0)} s: ${worker.whereabouts()}`,
      )
    }
  }

  /** Steps that were done, by worker. */
  counts(): ReadonlyMap<string, number> {
    const read = (name: string) => Number(readOr(join(this.#place.state, `${name}.counts`)))
    return new Map(CREW.map(({ name }) => [name, read(name)]))
  }

  #startOne(spec: WorkerSpec): void {
    const worker = new WorkerProcess(spec, this.#place)
    this.#workers.set(spec.name, worker)
    this.#attend(worker).catch((error: unknown) => {
      this.#fail(error instanceof Violation ? error : new Violation(String(error)))
    })
  }

  /** Waits for its end, and starts another in its place when that was no violation. */
  async #attend(worker: WorkerProcess): Promise<void> {
    const end = await worker.ended
    const deadline = Date.now() + DEATH_TIMEOUT_MS
    while (!worker.isGone) {
      if (Date.now() > deadline) {
        throw new Violation(`${worker.spec.name} does not die: ${worker.whereabouts()}`)
      }
      await sleep(POLL_MS)
    }
    if (this.#isStopping) return
    if (!worker.isKilled && !this.#isExcused(worker, end)) {
      const how = end.signal ?? `exit status ${String(end.status)}`
      throw new Violation(`${worker.spec.name} has ended with ${how}: ${end.output}`)
    }
    this.#startOne(worker.spec)
  }

  /** Whoever has a file of a dead mount mapped gets SIGBUS, as POSIX has it. */
  #isExcused({ spec }: WorkerProcess, { status, signal }: WorkerEnd): boolean {
    const isHarmed = !this.#control.isCalm || Date.now() - this.#lastHarm < DEATH_TIMEOUT_MS
    const isChosen = status === FAILURE_STATUS || signal === 'SIGKILL'
    return (isChosen && spec.kind === SUICIDAL) || (signal === 'SIGBUS' && isHarmed)
  }
}

const describe = (workers: readonly WorkerProcess[]): string =>
  workers
    .map((each) => `${each.spec.name} at "${each.operation().what}" (${each.whereabouts()})`)
    .join(', ')
