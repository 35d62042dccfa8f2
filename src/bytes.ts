/**
 * Little-endian fields in and out of a buffer, in order. Numbers of 64 bits are JavaScript numbers
 * up to 2^53, which nothing here reaches. A reader that runs past the end throws, so that a
 * decoder needs no length checks of its own.
 */
import { FsError, invariant } from './errors.ts'

const U32 = 0x1_0000_0000

/** Counters start at 0 or 1 and rise by one: none has come this far. */
export const COUNTER_MAX = 2 ** 52

/** Views memory as a Buffer without a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export class ByteWriter {
  readonly buffer: Buffer
  position: number

  constructor(buffer: Uint8Array, position = 0) {
    this.buffer = asBuffer(buffer)
    this.position = position
  }

  u8(value: number): void {
    this.position = this.buffer.writeUInt8(value, this.position)
  }

  u16(value: number): void {
    this.position = this.buffer.writeUInt16LE(value, this.position)
  }

  u32(value: number): void {
    this.position = this.buffer.writeUInt32LE(value, this.position)
  }

  u64(value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, 'a 64-bit field holds a safe integer')
    this.u32(value % U32)
    this.u32(Math.floor(value / U32))
  }

  i64(value: bigint): void {
    this.position = this.buffer.writeBigInt64LE(value, this.position)
  }

  bytes(value: Uint8Array): void {
    this.buffer.set(value, this.position)
    this.position += value.length
  }

  /** A byte string: one character for each byte. */
  latin1(value: string): void {
    this.position += this.buffer.write(value, this.position, 'latin1')
  }
}

export class ByteReader {
  readonly buffer: Buffer
  readonly end: number
  position: number

  constructor(buffer: Uint8Array, position = 0, end = buffer.length) {
    this.buffer = asBuffer(buffer)
    this.position = position
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  u8(): number {
    return this.buffer.readUInt8(this.advance(1))
  }

  u16(): number {
    return this.buffer.readUInt16LE(this.advance(2))
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.advance(4))
  }

  u64(): number {
    const low = this.u32()
    const value = this.u32() * U32 + low
    if (!Number.isSafeInteger(value)) throw new FsError('EIO', 'Cannot decode: number over 2^53')
    return value
  }

  /** A number of 32 or 64 bits that the rest of the program cannot handle above `max`. */
  bounded(read: 'u32' | 'u64', max: number, what: string): number {
    const value = this[read]()
    if (value <= max) return value
    throw new FsError('EIO', `Cannot decode: ${what} is ${value}, and ${max} is the most`)
  }

  /** A number that will be counted up: it may be raised as often as can happen. */
  counter(what: string): number {
    return this.bounded('u64', COUNTER_MAX, what)
  }

  i64(): bigint {
    return this.buffer.readBigInt64LE(this.advance(8))
  }

  /** A view, not a copy. */
  bytes(lengthBytes: number): Buffer {
    const start = this.advance(lengthBytes)
    return this.buffer.subarray(start, start + lengthBytes)
  }

  latin1(lengthBytes: number): string {
    const start = this.advance(lengthBytes)
    return this.buffer.toString('latin1', start, start + lengthBytes)
  }

  private advance(lengthBytes: number): number {
    const start = this.position
    if (lengthBytes < 0 || start + lengthBytes > this.end) {
      throw new FsError('EIO', `Cannot decode: ${lengthBytes} bytes wanted, ${this.remaining} left`)
    }
    this.position = start + lengthBytes
    return start
  }
}
