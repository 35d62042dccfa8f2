/** Mounts a MemoryFilesystem, served by a process of its own, for the time of one test. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { unmount } from '../../../src/fuse/kernel/unmount.ts'

const DAEMON = fileURLToPath(new URL('daemon.js', import.meta.url))
const START_TIMEOUT_MS = 20_000

export interface DaemonOptions {
  readonly source?: string
  readonly noTimeouts?: boolean
  readonly writebackCache?: boolean
  readonly discardWrites?: boolean
  readonly mountOptions?: readonly string[]
  readonly logLevel?: string
}

export interface DaemonCommand {
  readonly number: number
  readonly verb:
    'resize' | 'invalidate' | 'hold-syncs' | 'let-syncs-go' | 'replace' | 'digest' | 'state'
  readonly ino: number
  readonly size?: number
  readonly text?: string
}

export interface DaemonState {
  readonly bugs: readonly string[]
  readonly size?: number
  readonly lookupCount?: number
  readonly openCount?: number
  readonly openedCount: number
  readonly syncingPid: number
  readonly mtimeMs: number
}

interface DaemonAnswer {
  readonly mounted?: boolean
  readonly number?: number
  readonly result?: unknown
  readonly error?: string
}

/** The daemon behind one mount. */
export class Mounted {
  readonly path: string
  readonly process: ChildProcess
  readonly ended: Promise<number | null>
  #lastNumber = 0
  readonly #waiting = new Map<number, (answer: DaemonAnswer) => void>()

  constructor(path: string, process: ChildProcess) {
    this.path = path
    this.process = process
    this.ended = new Promise((resolve) => process.on('exit', resolve))
    process.on('message', (answer: DaemonAnswer) => {
      this.#waiting.get(answer.number ?? 0)?.(answer)
    })
  }

  /** Has the daemon do something, and returns its result. */
  async tell(command: Omit<DaemonCommand, 'number'>): Promise<unknown> {
    const number = ++this.#lastNumber
    const answered = new Promise<DaemonAnswer>((resolve) => this.#waiting.set(number, resolve))
    this.process.send({ number, ...command })
    const { result, error } = await answered
    if (error !== undefined) throw new Error(error)
    return result
  }

  async state(ino: number): Promise<DaemonState> {
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- what daemon.ts sends
    return (await this.tell({ verb: 'state', ino })) as DaemonState
  }

  async untilMounted(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error('The daemon does not mount'))
      }, START_TIMEOUT_MS)
      this.#waiting.set(0, () => {
        clearTimeout(timer)
        resolve()
      })
      this.process.on('exit', (status) => {
        clearTimeout(timer)
        reject(new Error(`The daemon has ended with ${String(status)}`))
      })
    })
  }
}

/** A new folder to mount on; taken away after the test, whatever is mounted there. */
export async function makeMountpoint(context: TestContext): Promise<string> {
  assert.ok(existsSync('/dev/fuse'), 'This test needs /dev/fuse: run "modprobe fuse"')
  const path = await mkdtemp(join(tmpdir(), 'oatomic-fuse-'))
  context.after(async () => {
    try {
      await unmount(path, { lazy: true })
    } catch {
      // The test has done so already.
    }
    await rmdir(path)
  })
  return path
}

/** Starts a daemon and waits until it serves. It ends with the test. */
export async function startMounted(
  context: TestContext,
  options: DaemonOptions = {},
  mountpoint?: string,
): Promise<Mounted> {
  const path = mountpoint ?? (await makeMountpoint(context))
  const child = fork(DAEMON, [path, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const mounted = new Mounted(path, child)
  context.after(async () => {
    child.kill('SIGKILL')
    await mounted.ended
  })
  await mounted.untilMounted()
  return mounted
}
