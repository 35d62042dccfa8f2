import { ERRNO } from '../../errors.ts'
import type { RequestMemory } from './dispatcher.ts'
import type { IdlePoll } from './idle-poll.ts'
import { lastErrno, read } from './libc.ts'
import { REQUEST_OFFSET, REQUEST_SIZE_MAX, RequestBufferPool } from './request-buffers.ts'
import { type WakeUp, watchReadable } from './wake-up.ts'

/** So that promises and file I/O get their turn in a long burst. */
const REQUESTS_PER_TURN = 32

/** What takes longer to serve than it takes to wake who waits for it. */
const LARGE_SIZE = 64 * 1024

/** Sleeping and waking costs more than polling for this long does. */
const POLL_NS = 80_000n

export interface RequestLoopOptions {
  readonly fd: number
  readonly idlePoll: IdlePoll | undefined
  dispatch(memory: RequestMemory, start: number, end: number): void
  /** Called when no request waits for now, and now and then while they come. */
  endBurst(): void
  /** Called once: the kernel has ended the connection, or reading it has failed. */
  onEnd(error?: Error): void
}

/**
 * Reads requests from the device. While they come it stays awake: a turn reads until there is none,
 * then the event loop runs once, then the next turn reads again; after POLL_NS without a request it
 * sleeps until the device wakes it.
 */
export class RequestLoop {
  readonly #options: RequestLoopOptions
  readonly #pool = new RequestBufferPool()
  readonly #wakeUp: WakeUp
  #ended = false
  #turnIsDue = false
  #lastRequest = 0n
  #hasServedLarge = false

  constructor(options: RequestLoopOptions) {
    this.#options = options
    this.#wakeUp = watchReadable(options.fd, () => {
      this.#drain()
    })
  }

  /** Stops reading and closes the device, which ends the connection. */
  stop(): void {
    this.#end()
  }

  readonly #turn = (): void => {
    this.#turnIsDue = false
    this.#drain()
  }

  /** Serves what waits, and goes on in the next turn of the event loop if that is worth it. */
  #drain(): void {
    let served = 0
    while (served < REQUESTS_PER_TURN && !this.#ended && this.#serveOne()) served++
    if (served > 0) this.#options.endBurst()
    if (this.#ended || this.#turnIsDue) return
    const now = process.hrtime.bigint()
    if (served > 0) {
      this.#lastRequest = now
      if (!this.#hasServedLarge) this.#options.idlePoll?.served(now)
      this.#hasServedLarge = false
    }
    if (now - this.#lastRequest < POLL_NS) {
      this.#turnIsDue = true
      setImmediate(this.#turn)
    }
  }

  /** Whether there was a request. */
  #serveOne(): boolean {
    const buffer = this.#pool.next()
    const length = read(this.#options.fd, buffer.address, REQUEST_SIZE_MAX)
    if (length < 0) return this.#handleFailure(lastErrno())
    if (length > LARGE_SIZE) this.#hasServedLarge = true
    this.#options.dispatch(buffer, REQUEST_OFFSET, REQUEST_OFFSET + length)
    return true
  }

  /** Whether another try is worth it. */
  #handleFailure(errno: number): boolean {
    switch (errno) {
      case ERRNO.EAGAIN: {
        return false
      }
      case ERRNO.EINTR:
      case ERRNO.ENOENT: {
        // A signal came, or the request was taken back while it was being read.
        return true
      }
      case ERRNO.ECONNABORTED:
      case ERRNO.ENODEV: {
        this.#end()
        return false
      }
      default: {
        this.#end(new Error(`Reading from the kernel failed with errno ${String(errno)}`))
        return false
      }
    }
  }

  #end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#wakeUp.close()
    this.#options.idlePoll?.close()
    this.#options.onEnd(error)
  }
}
