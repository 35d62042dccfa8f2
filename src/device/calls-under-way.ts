/**
 * The calls of a disk that have not returned, and what becomes of one that does not: it is told of
 * once, and given up after a time. A call that is given up is rejected; what it had begun may still
 * happen, so its memory may be read later, and whoever gives up a change must never make another.
 *
 * Owns no timer and no clock: the session calls `tick` once a second, so that the time for which this
 * program itself stood still, or the machine slept, does not count.
 */
import { FsError } from '../errors.ts'

export interface CallOptions {
  /** After this long without an answer a call is told of, in seconds. */
  readonly slowSeconds?: number
  /** After this long it is given up, in seconds; 0 for never. */
  readonly timeoutSeconds?: number
  /** Whether the disk has done anything since the last question; then it is slow, not gone. */
  readonly isActive?: () => boolean
  readonly onSlow?: (what: string, seconds: number) => void
  readonly onAnswer?: (what: string, seconds: number) => void
}

/** The default of the mount option `iotimeout`, in seconds: when Linux too calls a task hung. */
export const IO_TIMEOUT_SECONDS = 120

const SLOW_SECONDS = 10

/** However active the disk is, a call that takes this many times as long is lost. */
const ACTIVE_FACTOR = 10

interface Call {
  readonly what: string
  readonly isChange: boolean
  /** Seconds since it began, and those of them in which the disk did nothing. */
  seconds: number
  idleSeconds: number
  isReported: boolean
  giveUp: (error: FsError) => void
}

export class CallsUnderWay {
  readonly #options: CallOptions
  readonly #calls = new Set<Call>()
  /** Given up and not returned since. */
  #lostCount = 0

  constructor(options: CallOptions = {}) {
    this.#options = options
  }

  /** Whether a call was given up that still holds what it uses, and a thread. */
  get hasLost(): boolean {
    return this.#lostCount > 0
  }

  /**
   * Settles as the work does, or with FsError EIO when that takes too long. When one change is given
   * up all are: the volume has failed, and nobody need wait for the others.
   */
  run<Value>(what: string, work: () => Promise<Value>, isChange = false): Promise<Value> {
    return new Promise((resolve, reject) => {
      const giveUp = reject
      const call: Call = { what, isChange, seconds: 0, idleSeconds: 0, isReported: false, giveUp }
      this.#calls.add(call)
      work().then(
        (value) => {
          this.#end(call)
          resolve(value)
        },
        (error: unknown) => {
          this.#end(call)
          // eslint-disable-next-line typescript/prefer-promise-reject-errors -- passed on as it is
          reject(error)
        },
      )
    })
  }

  /** A second has passed. */
  tick(): void {
    const [oldest] = this.#calls
    if (oldest === undefined) return
    const { slowSeconds = SLOW_SECONDS, timeoutSeconds = 0, isActive } = this.#options
    // Asked only while something is late.
    const isIdle = oldest.seconds < slowSeconds || isActive?.() !== true
    for (const call of this.#calls) {
      call.seconds++
      if (isIdle) call.idleSeconds++
      if (call.seconds >= slowSeconds) this.#reportSlow(call)
      const isOver =
        call.idleSeconds >= timeoutSeconds || call.seconds >= timeoutSeconds * ACTIVE_FACTOR
      if (timeoutSeconds > 0 && isOver) this.#giveUp(call)
    }
  }

  #reportSlow(call: Call): void {
    if (call.isReported) return
    call.isReported = true
    this.#options.onSlow?.(call.what, call.seconds)
  }

  #giveUp(call: Call): void {
    if (!this.#calls.delete(call)) return
    this.#lostCount++
    call.giveUp(
      new FsError(
        'EIO',
        `Cannot ${call.what}: the disk has not answered for ${call.seconds} seconds`,
      ),
    )
    if (call.isChange) for (const other of this.#calls) if (other.isChange) this.#giveUp(other)
  }

  #end(call: Call): void {
    if (!this.#calls.delete(call)) this.#lostCount--
    if (call.isReported) this.#options.onAnswer?.(call.what, call.seconds)
  }
}
