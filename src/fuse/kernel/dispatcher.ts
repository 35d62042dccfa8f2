import type { Logger } from 'pino'
import type { Failures } from '../failures.ts'
import { type Edge, type Reply, isLent } from './edge.ts'
import { handlerOf, isAnswered } from './handler-table.ts'
import { OPCODE, operationName, REQUEST_HEADER_SIZE } from './protocol.ts'
import type { RequestNumber } from './reply-sender.ts'
import { decodeHeader, RequestBody } from './request-body.ts'

/** Where a request is read from. */
export interface RequestMemory {
  readonly bytes: Buffer
  /** Keeps the bytes until the returned function is called. */
  hold(): () => void
}

/** Where answers go. */
export interface ReplyTarget {
  send(request: RequestNumber, reply: Reply): void
  sendError(request: RequestNumber, errno: number): void
}

export interface DispatcherOptions {
  readonly edge: Edge
  readonly replies: ReplyTarget
  readonly failures: Failures
  readonly log: Logger
}

/** A request whose answer waits for the end of a burst. */
interface Held {
  readonly request: RequestNumber
  readonly opcode: number
  readonly reply: Reply | undefined
}

/** Larger ones are worth to the kernel to have their pages back at once. */
const HELD_WRITE_SIZE_MAX = 64 * 1024

/**
 * The edge to the kernel: unpacks a request, calls its handler, and settles it exactly once, with an
 * answer or a negative errno; at once when the handler returns, later when it returns a promise.
 *
 * Small writes are answered at the end of the burst that they come in, the last one first. They are pages
 * that fsync(2) has sent and waits for, one after the other: answered in order, each answer would wake it
 * to find that the next page is not written yet.
 */
export class Dispatcher {
  readonly #edge: Edge
  readonly #replies: ReplyTarget
  readonly #failures: Failures
  readonly #log: Logger
  readonly #held: Held[] = []

  constructor(options: DispatcherOptions) {
    this.#edge = options.edge
    this.#replies = options.replies
    this.#failures = options.failures
    this.#log = options.log
  }

  /** Takes the request that lies in `memory` from `start` to `end`. Never throws. */
  dispatch(memory: RequestMemory, start: number, end: number): void {
    const { bytes } = memory
    if (end - start < REQUEST_HEADER_SIZE) {
      this.#log.error({ lengthBytes: end - start }, 'request too short to be answered')
      return
    }
    const opcode = bytes.readUInt32LE(start + 4)
    const request = { low: bytes.readUInt32LE(start + 8), high: bytes.readUInt32LE(start + 12) }
    try {
      const { ino, caller } = decodeHeader(bytes, start, end)
      const body = new RequestBody(bytes, start + REQUEST_HEADER_SIZE, end)
      const holdMemory = (): (() => void) => memory.hold()
      const outcome = handlerOf(opcode)(this.#edge, { ino, caller, body, holdMemory })
      if (outcome instanceof Promise) this.#settleLater(request, opcode, outcome)
      else if (opcode === OPCODE.WRITE && end - start <= HELD_WRITE_SIZE_MAX)
        this.#held.push({ request, opcode, reply: outcome })
      else this.#settle(request, opcode, outcome)
    } catch (error) {
      this.#fail(request, opcode, error)
    }
  }

  /** No other request waits for now: answers what was held back. Never throws. */
  endBurst(): void {
    for (let held = this.#held.pop(); held !== undefined; held = this.#held.pop()) {
      this.#settle(held.request, held.opcode, held.reply)
    }
  }

  #settleLater(request: RequestNumber, opcode: number, outcome: Promise<Reply | undefined>): void {
    outcome.then(
      (reply) => {
        this.#settle(request, opcode, reply)
      },
      (error: unknown) => {
        this.#fail(request, opcode, error)
      },
    )
  }

  #settle(request: RequestNumber, opcode: number, reply: Reply | undefined): void {
    if (!isAnswered(opcode) || reply === undefined) return
    try {
      this.#replies.send(request, reply)
    } catch (error) {
      // The kernel has not taken that answer and still waits.
      this.#fail(request, opcode, error)
    } finally {
      if (isLent(reply)) reply.giveBack()
    }
  }

  #fail(request: RequestNumber, opcode: number, error: unknown): void {
    const errno = this.#failures.errnoOf(operationName(opcode), error)
    if (!isAnswered(opcode)) return
    try {
      this.#replies.sendError(request, errno)
    } catch (second) {
      this.#failures.errnoOf(operationName(opcode), second)
    }
  }
}
