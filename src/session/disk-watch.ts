/**
 * Watches over the disk below one volume, from before it is opened until it is closed: calls that the
 * event loop does not wait for through `CallsUnderWay`, and the event loop itself through a shell.
 */
import { readFileSync, statSync } from 'node:fs'
import type { Logger } from 'pino'
import { CallsUnderWay, IO_TIMEOUT_SECONDS } from '../device/calls-under-way.ts'
import type { MountNote } from '../fuse/kernel/mount-note.ts'
import { Watchdog } from './watchdog.ts'

const SECOND_MS = 1000

/** Requests that are over, in the fields of a block device's `stat`: reads, writes, flushes. */
const DONE_FIELDS = [0, 4, 15]

export interface DiskWatchOptions {
  readonly volume: string
  readonly mountpoint: string
  readonly source: string
  readonly ioTimeoutSeconds?: number
  readonly logFile?: string
  readonly note?: MountNote
  readonly log: Logger
}

export class DiskWatch {
  readonly calls: CallsUnderWay
  readonly #timer: NodeJS.Timeout
  readonly #watchdog: Watchdog

  constructor(options: DiskWatchOptions) {
    const { volume, log } = options
    const timeoutSeconds = options.ioTimeoutSeconds ?? IO_TIMEOUT_SECONDS
    const statistics = statisticsPath(volume)
    this.calls = new CallsUnderWay({
      timeoutSeconds,
      isActive: activityOf(statistics),
      onSlow: (call, seconds) => {
        log.warn({ call, seconds }, 'the disk has not answered')
      },
      onAnswer: (call, seconds) => {
        log.warn({ call, seconds }, 'the disk has answered')
      },
    })
    this.#watchdog = new Watchdog({ ...options, timeoutSeconds, statistics })
    // Runs while nothing else does, too: it is also the sign of life that the watchdog looks for.
    this.#timer = setInterval(() => {
      this.calls.tick()
    }, SECOND_MS)
    this.#timer.unref()
  }

  end(): void {
    clearInterval(this.#timer)
    this.#watchdog.dismiss()
  }
}

/** Where the kernel counts what the disk below a path does; not every filesystem has one disk. */
function statisticsPath(path: string): string {
  const { dev } = statSync(path, { bigint: true })
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  return `/sys/dev/block/${major}:${minor}/stat`
}

/** Whether the disk has done anything since the last question; as if not, where nobody counts. */
function activityOf(statistics: string): () => boolean {
  let last = ''
  return () => {
    const done = requestsDone(statistics)
    const isActive = done !== last && last !== ''
    last = done
    return isActive
  }
}

function requestsDone(statistics: string): string {
  try {
    const fields = readFileSync(statistics, 'latin1').trim().split(/ +/)
    return DONE_FIELDS.map((field) => fields[field]).join(' ')
  } catch {
    return ''
  }
}
