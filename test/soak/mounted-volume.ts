/**
 * The mount of a soak, used through the commands alone. Nothing here looks into the mount by itself: a
 * mount that hangs would hang this process too.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { supervisorOf } from '../../src/cli/supervisor.ts'
import { volumeHolder } from '../../src/device/volume-lock.ts'
import { oatomic, start } from '../cli/support/command.ts'
import { Violation } from './violation.ts'

const BACK_TIMEOUT_MS = 40_000
const POLL_MS = 5

interface LogLine {
  readonly level: number
  readonly time: number
  readonly msg: string
}

export class MountedVolume {
  readonly volume: string
  readonly mountpoint: string
  readonly log: string

  constructor(folder: string) {
    this.volume = join(folder, 'volume')
    this.mountpoint = join(folder, 'mount')
    this.log = join(folder, 'log')
  }

  async make(): Promise<void> {
    await mkdir(this.mountpoint)
    await this.#succeed(['make', this.volume, '--ring-size', '8M'])
  }

  async mount(): Promise<void> {
    await this.#succeed(['mount', this.volume, this.mountpoint, '-o', `restart,log=${this.log}`])
  }

  /** Unmounts in order. */
  async unmount(): Promise<void> {
    await this.#succeed(['unmount', this.mountpoint])
    this.#expectGone()
  }

  /** Has the daemon end in order although the mount is in use. */
  async terminate(): Promise<void> {
    const supervisor = supervisorOf([this.mountpoint])
    process.kill(this.daemonPid() ?? 0, 'SIGTERM')
    await this.#until(
      () => supervisorOf([this.mountpoint]) !== supervisor,
      'SIGTERM ends the mount',
    )
    this.#expectGone()
  }

  async check(): Promise<string> {
    return this.#succeed(['check', this.volume])
  }

  /** Resolves with the milliseconds that it took from \`since\` until the mount was live again. */
  async untilBack(since: number): Promise<number> {
    const find = () => this.#logLines().find(({ msg, time }) => msg === 'mounted' && time >= since)
    await this.#until(() => find() !== undefined, 'the mount comes back by itself')
    const answer = await start('stat', ['-f', this.mountpoint]).ended
    if (answer.status !== 0) throw new Violation(`The mount does not answer: ${answer.stderr}`)
    return (find()?.time ?? 0) - since
  }

  /** The present daemon, in whichever part of its life; undefined if there is none just now. */
  daemonPid(): number | undefined {
    const supervisor = supervisorOf([this.mountpoint])
    const children = readOr(`/proc/${supervisor ?? 0}/task/${supervisor ?? 0}/children`)
    return children
      .split(' ')
      .filter((pid) => readOr(`/proc/${pid}/cmdline`).startsWith(process.execPath))
      .map(Number)[0]
  }

  /** What the daemons found worth an error. */
  complaints(): readonly string[] {
    return this.#logLines()
      .filter(({ level }) => level >= 50)
      .map((line) => JSON.stringify(line))
  }

  /** Whatever state things are in, leaves nothing mounted and nobody running. */
  async tearDown(): Promise<void> {
    const supervisor = supervisorOf([this.mountpoint])
    const daemon = this.daemonPid()
    if (supervisor !== undefined) process.kill(supervisor, 'SIGKILL')
    if (daemon !== undefined) process.kill(daemon, 'SIGTERM')
    const deadline = Date.now() + 10_000
    while (volumeHolder(this.volume) !== undefined && Date.now() < deadline) await sleep(POLL_MS)
    await start('umount', ['-i', '-f', '-l', this.mountpoint]).ended
  }

  #expectGone(): void {
    const isGone =
      supervisorOf([this.mountpoint]) === undefined && volumeHolder(this.volume) === undefined
    if (!isGone) throw new Violation('After the end of the mount something holds the volume')
  }

  #logLines(): readonly LogLine[] {
    const lines = readOr(this.log).split('\n').slice(0, -1)
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- lines of pino's
    return lines.map((line) => JSON.parse(line) as LogLine)
  }

  async #succeed(parameters: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await oatomic(parameters)
    if (status === 0) return stdout
    throw new Violation(`oatomic ${parameters.join(' ')}: ${String(status)}: ${stdout}${stderr}`)
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + BACK_TIMEOUT_MS
    while (!condition()) {
      if (Date.now() > deadline) throw new Violation(`It does not happen that ${what}`)
      await sleep(POLL_MS)
    }
  }
}

/** A file's content, or nothing where there is no such file any more. */
export function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** How many names a folder has, 0 if it is not there any more. */
export function countNames(path: string): number {
  try {
    return readdirSync(path).length
  } catch {
    return 0
  }
}
