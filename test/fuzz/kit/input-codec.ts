/** Inputs as one byte string, which a worker leaves behind when it dies, and as text for people. */
import { invariant } from '../../../src/errors.ts'
import type { Input } from './target.ts'

/** `count u32`, then for each item `length u32, bytes`. */
export function encodeInput(input: Input): Buffer {
  const size = input.reduce((sum, item) => sum + 4 + item.length, 4)
  const bytes = Buffer.allocUnsafe(size)
  let at = bytes.writeUInt32LE(input.length)
  for (const item of input) {
    at = bytes.writeUInt32LE(item.length, at)
    bytes.set(item, at)
    at += item.length
  }
  return bytes
}

export function decodeInput(bytes: Buffer): Input {
  let at = 4
  return Array.from({ length: bytes.readUInt32LE(0) }, () => {
    const length = bytes.readUInt32LE(at)
    const item = Uint8Array.from(bytes.subarray(at + 4, at + 4 + length))
    invariant(item.length === length, 'an encoded input is whole')
    at += 4 + length
    return item
  })
}

export const inputToText = (input: Input): string[] =>
  input.map((item) => Buffer.from(item).toString('hex'))

export const inputFromText = (items: readonly string[]): Input =>
  items.map((item) => Uint8Array.from(Buffer.from(item, 'hex')))
