/**
 * Keeps processors from halting while requests follow each other closely. Who asks sleeps until the answer, and
 * this program until the next request; to wake a processor that has halted, a virtual machine needs its host,
 * and that takes longer than most requests do. Linux's limit for such delays, PM QoS, holds as long as somebody
 * has `/dev/cpu_dma_latency` open: with 0 an idle processor polls.
 *
 * To the host all processors of the machine are busy then. So this is only done where the kernel knows of the
 * price (the idle driver `haltpoll`), on machines of few processors, and from some turns on of which each came
 * soon after the one before, until shortly after the last: a disk that takes milliseconds leads to none. Turns
 * with large requests do not count, for what polls takes from the processor that it shares with one that works.
 * A process that is stopped, or waits for a disk that hangs, does not release what it has asked for.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const DEVICE = '/dev/cpu_dma_latency'
const DRIVER = '/sys/devices/system/cpu/cpuidle/current_driver'
const PROCESSOR_COUNT_MAX = 8

const GAP_NS = 300_000n
const TURN_COUNT = 8
const RELEASE_MS = 2
const NS_PER_MS = 1_000_000n

/** In microseconds; the second is what Linux has where nobody asks for anything. */
const NO_DELAY = latency(0)
const ANY_DELAY = latency(2_000_000_000)

function latency(microseconds: number): Buffer {
  const value = Buffer.alloc(4)
  value.writeInt32LE(microseconds)
  return value
}

export interface IdlePollPlace {
  readonly device?: string
  /** The file that names the idle driver. */
  readonly driver?: string
  readonly processorCount?: number
}

export class IdlePoll {
  readonly #fd: number
  #lastTurn = 0n
  #turnCount = 0
  #timer: NodeJS.Timeout | undefined
  #isOpen = true

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** Undefined where it would not help, costs too much, or takes rights that this process lacks. */
  static open(place: IdlePollPlace = {}): IdlePoll | undefined {
    const processorCount = place.processorCount ?? availableParallelism()
    if (processorCount > PROCESSOR_COUNT_MAX) return undefined
    try {
      if (readFileSync(place.driver ?? DRIVER, 'latin1').trim() !== 'haltpoll') return undefined
      return new IdlePoll(openSync(place.device ?? DEVICE, 'r+'))
    } catch {
      return undefined
    }
  }

  /** Small requests were served at this time, of a clock in nanoseconds. */
  served(now: bigint): void {
    const isSoon = now - this.#lastTurn < GAP_NS
    this.#lastTurn = now
    if (this.#timer !== undefined || !this.#isOpen) return
    this.#turnCount = isSoon ? this.#turnCount + 1 : 0
    if (this.#turnCount < TURN_COUNT) return
    this.#ask(NO_DELAY)
    this.#releaseLater()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    clearTimeout(this.#timer)
    closeSync(this.#fd)
  }

  #releaseLater(): void {
    this.#timer = setTimeout(() => {
      const isIdle = process.hrtime.bigint() - this.#lastTurn > BigInt(RELEASE_MS) * NS_PER_MS
      if (!isIdle) {
        this.#releaseLater()
        return
      }
      this.#timer = undefined
      this.#turnCount = 0
      this.#ask(ANY_DELAY)
    }, RELEASE_MS).unref()
  }

  #ask(delay: Buffer): void {
    try {
      writeSync(this.#fd, delay)
    } catch {
      this.close()
    }
  }
}
