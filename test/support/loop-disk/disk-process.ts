/** The process behind a loop disk, as its parent sees it. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { attempt, succeed } from './commands.ts'
import { DISK_NAME } from './disk-filesystem.ts'
import type { DiskAnswer, DiskCommand, DiskRequest, DiskServerOptions } from './disk-server.ts'
import { removeMounts } from './host-filesystem.ts'

const SERVER = fileURLToPath(new URL('disk-server.js', import.meta.url))
const START_TIMEOUT_MS = 20_000
const ANSWER_TIMEOUT_MS = 20_000
const END_TIMEOUT_MS = 5000
const GRACE_MS = 1000
const DETACH_TRIES = 20
const DETACH_WAIT_MS = 50

/** The process that serves the disk, and what it has to leave behind. */
export class DiskProcess {
  readonly started: Promise<void>
  readonly #folder: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #waiting = new Map<number, (answer: DiskAnswer) => void>()
  #lastNumber = 0
  #isGone = false
  #isStopped = false
  #device: string | undefined

  constructor(folder: string, options: DiskServerOptions) {
    this.#folder = folder
    this.#child = fork(SERVER, [JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => {
        this.#isGone = true
        for (const [number, settle] of this.#waiting) settle({ number, error: 'it has ended' })
        resolve()
      })
    })
    this.started = this.#answer(0, START_TIMEOUT_MS).then(() => undefined)
    this.started.catch(() => undefined)
    this.#child.on('message', (answer: DiskAnswer) => {
      this.#waiting.get(answer.number)?.(answer)
    })
  }

  async tell(command: DiskCommand): Promise<number | undefined> {
    const request: DiskRequest = { number: ++this.#lastNumber, command }
    const answered = this.#answer(request.number, ANSWER_TIMEOUT_MS)
    this.#child.send(request, () => undefined)
    return answered
  }

  /** Puts a loop device on the disk. */
  async attach(): Promise<string> {
    const file = join(this.#mountpoint, DISK_NAME)
    const printed = await succeed('losetup', ['--find', '--show', '--direct-io=on', '--', file])
    this.#device = printed.trim()
    const isDirect = await succeed('losetup', ['--noheadings', '--output', 'DIO', this.#device])
    assert.equal(isDirect.trim(), '1', 'a cache below the loop device would change the order')
    return this.#device
  }

  /** Ends it, and takes away the loop device and the mount. What still uses them gets errors. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    if (!this.#isGone) await this.tell({ verb: 'heal' }).catch(() => undefined)
    await this.#detach()
    await attempt('umount', ['-i', '--', this.#mountpoint], END_TIMEOUT_MS)
    await Promise.race([this.#ended, sleep(GRACE_MS)])
    if (!this.#isGone) this.#child.kill('SIGKILL')
    await removeMounts(this.#mountpoint)
    await Promise.race([this.#ended, sleep(END_TIMEOUT_MS)])
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** The kernel frees the device when its last user is gone. */
  async #detach(): Promise<void> {
    if (this.#device === undefined) return
    await attempt('losetup', ['--detach', this.#device], END_TIMEOUT_MS)
    for (let tries = 0; tries < DETACH_TRIES; tries++) {
      const { stdout } = await attempt(
        'losetup',
        ['--noheadings', '--list', this.#device],
        END_TIMEOUT_MS,
      )
      if (!stdout.includes(this.#mountpoint)) return
      await sleep(DETACH_WAIT_MS)
    }
  }

  get #mountpoint(): string {
    return join(this.#folder, 'mount')
  }

  async #answer(number: number, timeoutMs: number): Promise<number | undefined> {
    let timer: NodeJS.Timeout | undefined
    const answer = await new Promise<DiskAnswer>((resolve) => {
      this.#waiting.set(number, resolve)
      timer = setTimeout(() => {
        resolve({ number, error: 'it does not answer' })
      }, timeoutMs)
      if (this.#isGone) resolve({ number, error: 'it has ended' })
    })
    clearTimeout(timer)
    this.#waiting.delete(number)
    if (answer.error !== undefined) throw new Error(`The loop disk: ${answer.error}`)
    return answer.result
  }
}
