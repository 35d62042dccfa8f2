import { FsError } from '../../errors.ts'
import type { Caller, Ino } from '../../fs/operations.ts'
import { REQUEST_HEADER_SIZE } from './protocol.ts'

const HIGH_WORD_MAX = 0x1f_ffff
const NANOSECONDS = 1_000_000_000

/** Reads the fields of one request in order. Whatever it is given, it throws nothing but FsError. */
export class RequestBody {
  readonly #bytes: Buffer
  readonly #end: number
  #position: number

  /** Requires: `start <= end <= bytes.length`. */
  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#position = start
    this.#end = end
  }

  skip(lengthBytes: number): void {
    this.#advance(lengthBytes)
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4))
  }

  /** A count, a number or an offset. Throws FsError EINVAL when `number` cannot hold it exactly. */
  u64(): number {
    const position = this.#advance(8)
    const high = this.#bytes.readUInt32LE(position + 4)
    if (high > HIGH_WORD_MAX) throw new FsError('EINVAL', 'A number of the request is too large')
    return high * 0x1_0000_0000 + this.#bytes.readUInt32LE(position)
  }

  /** A place in a file; what `number` cannot hold is as far as it can, and beyond any file. */
  offset(): number {
    const position = this.#advance(8)
    return Math.min(Number(this.#bytes.readBigUInt64LE(position)), Number.MAX_SAFE_INTEGER)
  }

  /** A place in the memory of a process. */
  address(): bigint {
    return this.#bytes.readBigUInt64LE(this.#advance(8))
  }

  /** Whole seconds of a time; they may be before 1970. */
  seconds(): bigint {
    return this.#bytes.readBigInt64LE(this.#advance(8))
  }

  nanoseconds(): number {
    const value = this.u32()
    if (value >= NANOSECONDS) throw new FsError('EINVAL', 'A time has too many nanoseconds')
    return value
  }

  /** A string that ends with a NUL: its bytes without that, as characters. */
  name(): string {
    const nul = this.#bytes.indexOf(0, this.#position)
    if (nul < 0 || nul >= this.#end) throw new FsError('EINVAL', 'A name of the request has no end')
    if (nul === this.#position) throw new FsError('EINVAL', 'A name of the request is empty')
    const value = this.#bytes.toString('latin1', this.#position, nul)
    this.#position = nul + 1
    return value
  }

  /** Bytes in place: good only as long as the request's memory is. */
  bytes(lengthBytes: number): Uint8Array {
    const position = this.#advance(lengthBytes)
    return this.#bytes.subarray(position, position + lengthBytes)
  }

  #advance(lengthBytes: number): number {
    const position = this.#position
    if (lengthBytes > this.#end - position) {
      throw new FsError('EINVAL', 'The request is shorter than its operation needs')
    }
    this.#position = position + lengthBytes
    return position
  }
}

/** What every request begins with, apart from the number that its answer repeats. */
export interface RequestHeader {
  readonly opcode: number
  readonly ino: Ino
  readonly caller: Caller
}

/** Decodes the header of the request in `bytes` from `start` to `end`. Throws FsError EPROTO, EINVAL. */
export function decodeHeader(bytes: Buffer, start: number, end: number): RequestHeader {
  if (end - start < REQUEST_HEADER_SIZE) throw new FsError('EPROTO', 'The request has no header')
  if (bytes.readUInt32LE(start) !== end - start) {
    throw new FsError('EPROTO', 'The request has another length than its header says')
  }
  const ino = new RequestBody(bytes, start + 16, end).u64()
  const caller = {
    uid: bytes.readUInt32LE(start + 24),
    gid: bytes.readUInt32LE(start + 28),
    pid: bytes.readUInt32LE(start + 32),
  }
  return { opcode: bytes.readUInt32LE(start + 4), ino, caller }
}
