/** One worker of the crew: a process in a group of its own, started again whenever it was killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { readOr } from './mounted-volume.ts'

const PROGRAM = fileURLToPath(new URL('../../../test/soak/programs/worker.py', import.meta.url))
const OUTPUT_MAX = 4000

export interface WorkerSpec {
  readonly kind: string
  readonly name: string
}

export interface WorkerPlace {
  readonly mountpoint: string
  readonly state: string
  readonly seed: number
}

export interface WorkerEnd {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

export class WorkerProcess {
  readonly spec: WorkerSpec
  readonly ended: Promise<WorkerEnd>
  readonly #place: WorkerPlace
  readonly #child: ChildProcess
  isKilled = false

  constructor(spec: WorkerSpec, place: WorkerPlace, mode: 'work' | 'verify' = 'work') {
    this.spec = spec
    this.#place = place
    const { mountpoint, state, seed } = place
    const parameters = [PROGRAM, spec.kind, spec.name, mountpoint, state, String(seed)]
    if (mode === 'verify') parameters.push(mode)
    this.#child = spawn('python3', parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // A folder on the mount could hold a child back before it can report anything.
      cwd: '/',
      detached: true,
      env: { ...process.env, LC_ALL: 'C.UTF-8', GIT_CONFIG_NOSYSTEM: '1', HOME: state },
    })
    this.ended = this.#collect()
  }

  /** Kills it and all that it has started. */
  kill(): void {
    this.isKilled = true
    try {
      process.kill(-(this.#child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended by itself just now.
    }
  }

  /** Whether nothing is left of it and of all that it has started. */
  get isGone(): boolean {
    try {
      process.kill(-(this.#child.pid ?? 0), 0)
      return false
    } catch {
      return true
    }
  }

  /** What it does, and for how many seconds already. */
  operation(): { readonly what: string; readonly seconds: number } {
    const record = readOr(join(this.#place.state, `${this.spec.name}.operation`))
    const [since = '', what = 'starting'] = record.trim().split(' ')
    const now = Number(process.hrtime.bigint()) / 1e9
    return { what, seconds: since === '' ? 0 : now - Number(since) }
  }

  /** Where its processes hang, for a report. */
  whereabouts(): string {
    const pid = this.#child.pid ?? 0
    const children = readOr(`/proc/${pid}/task/${pid}/children`).trim().split(' ')
    return [String(pid), ...children]
      .filter((each) => each !== '')
      .map((each) => `${each}: ${readOr(`/proc/${each}/stack`).split('\n').slice(0, 6).join('; ')}`)
      .join(' | ')
  }

  #collect(): Promise<WorkerEnd> {
    let output = ''
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on(
        'data',
        (chunk: Buffer) => (output = (output + chunk.toString()).slice(-OUTPUT_MAX)),
      )
    }
    return new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', (status, signal) => {
        resolve({ status, signal, output })
      })
    })
  }
}
