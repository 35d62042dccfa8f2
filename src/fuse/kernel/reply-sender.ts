import { writevSync } from 'node:fs'
import { ERRNO } from '../../errors.ts'
import { type Reply, isLent } from './edge.ts'
import { lastErrno, write } from './libc.ts'
import { REPLY_HEADER_SIZE } from './protocol.ts'

/** The number of a request, in two halves: 53 bits could not hold all of them. */
export interface RequestNumber {
  readonly low: number
  readonly high: number
}

// More pieces than this at once are refused by the system.
const PIECE_COUNT_MAX = 1000

/**
 * Sends answers, each with one system call. That the kernel does not know a request any more
 * (ENOENT) is no failure: it takes an answer back only when it ends the whole connection, and then
 * all references and handles end with it.
 */
export class ReplySender {
  readonly #fd: number
  #open = true

  constructor(fd: number) {
    this.#fd = fd
  }

  /** From here on nothing is sent: the descriptor may soon be another file's. */
  close(): void {
    this.#open = false
  }

  /** Throws what the kernel objects to in the answer; the request is then still open. */
  send(request: RequestNumber, reply: Reply): void {
    if (Buffer.isBuffer(reply)) {
      writeHeader(reply, reply.length, 0, request)
      this.#write(reply)
    } else {
      this.#writePieces(request, isLent(reply) ? reply.pieces : reply)
    }
  }

  sendError(request: RequestNumber, errno: number): void {
    const reply = Buffer.allocUnsafe(REPLY_HEADER_SIZE)
    writeHeader(reply, REPLY_HEADER_SIZE, -errno, request)
    this.#write(reply)
  }

  #write(reply: Buffer): void {
    if (!this.#open || write(this.#fd, reply, reply.length) >= 0) return
    const errno = lastErrno()
    if (errno !== ERRNO.ENOENT && errno !== ERRNO.ENODEV) {
      throw new Error(`The kernel refuses an answer with errno ${String(errno)}`)
    }
  }

  #writePieces(request: RequestNumber, pieces: readonly Uint8Array[]): void {
    if (!this.#open) return
    const content = pieces.length > PIECE_COUNT_MAX ? [Buffer.concat(pieces)] : pieces
    const length = content.reduce((sum, piece) => sum + piece.length, REPLY_HEADER_SIZE)
    const header = Buffer.allocUnsafe(REPLY_HEADER_SIZE)
    writeHeader(header, length, 0, request)
    try {
      writevSync(this.#fd, [header, ...content])
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['ENOENT', 'ENODEV'].includes(String(error.code))
  )
}

function writeHeader(target: Buffer, length: number, error: number, request: RequestNumber): void {
  target.writeUInt32LE(length, 0)
  target.writeInt32LE(error, 4)
  target.writeUInt32LE(request.low, 8)
  target.writeUInt32LE(request.high, 12)
}
