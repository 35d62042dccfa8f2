/** Changes inputs: bits, lengths, spans, and numbers to where arithmetic goes wrong. */
import type { Random } from '../../support/random.ts'
import type { Input } from './target.ts'

const ITEM_BYTES_MAX = 20_000
const ITEM_COUNT_MAX = 64

/** Where ranges end: of signs, of widths, of what a JavaScript number holds. */
const BOUNDARIES: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  63n,
  64n,
  65n,
  127n,
  128n,
  255n,
  256n,
  4095n,
  4096n,
  4097n,
  0x7fffn,
  0xffffn,
  0x1_0000n,
  0x10_0000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fffen,
  0xffff_ffffn,
  0x1_0000_0000n,
  2n ** 40n,
  2n ** 52n,
  2n ** 53n - 2n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 2n,
  2n ** 64n - 1n,
]

type BytesMutator = (random: Random, bytes: Buffer, other: Uint8Array) => Uint8Array

/** A number for a field: a boundary, one near it, or a small one that may name something real. */
export function fieldValue(random: Random): bigint {
  if (random.oneIn(2)) return BigInt(random.int(40))
  const near = random.oneIn(4) ? BigInt(random.int(17) - 8) : 0n
  return BigInt.asUintN(64, random.pick(BOUNDARIES) + near)
}

const flipBits: BytesMutator = (random, bytes) => {
  for (let i = random.int(4); i >= 0 && bytes.length > 0; i--) {
    const at = random.int(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8))
  }
  return bytes
}

const setByte: BytesMutator = (random, bytes) => {
  if (bytes.length > 0) bytes[random.int(bytes.length)] = random.int(256)
  return bytes
}

/** Overwrites a number of 1, 2, 4 or 8 bytes, mostly where fields stand. */
const setField: BytesMutator = (random, bytes) => {
  const size = random.pick([1, 2, 4, 4, 4, 8, 8, 8])
  if (bytes.length < size) return bytes
  const unit = random.oneIn(3) ? 1 : Math.min(size, 4)
  const near = random.oneIn(2) ? Math.min(bytes.length, 128) : bytes.length
  const at = Math.floor(random.int(Math.max(1, near - size + 1)) / unit) * unit
  const value = Buffer.alloc(8)
  value.writeBigUInt64LE(fieldValue(random))
  const field = value.subarray(0, size)
  bytes.set(random.oneIn(8) ? field.toReversed() : field, at)
  return bytes
}

const truncate: BytesMutator = (random, bytes) => bytes.subarray(0, random.int(bytes.length + 1))

const extend: BytesMutator = (random, bytes) =>
  Buffer.concat([
    bytes,
    random.oneIn(2) ? Buffer.alloc(random.int(64)) : random.bytes(random.int(64)),
  ])

function span(random: Random, bytes: Uint8Array): Uint8Array {
  const from = random.int(bytes.length + 1)
  return bytes.subarray(from, from + random.int(Math.min(64, bytes.length - from) + 1))
}

const insertSpan: BytesMutator = (random, bytes, other) => {
  const at = random.int(bytes.length + 1)
  const inserted = Buffer.from(span(random, random.oneIn(2) ? bytes : other))
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)])
}

const removeSpan: BytesMutator = (random, bytes) => {
  const removed = span(random, bytes)
  const from = removed.byteOffset - bytes.byteOffset
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + removed.length)])
}

const copySpan: BytesMutator = (random, bytes, other) => {
  const copied = Buffer.from(span(random, random.oneIn(2) ? bytes : other))
  if (copied.length <= bytes.length) {
    bytes.set(copied, random.int(bytes.length - copied.length + 1))
  }
  return bytes
}

const splice: BytesMutator = (random, bytes, other) => {
  const at = random.int(Math.min(bytes.length, other.length) + 1)
  return Buffer.concat([bytes.subarray(0, at), other.subarray(at)])
}

const BYTES: readonly BytesMutator[] = [
  flipBits,
  setByte,
  setField,
  setField,
  setField,
  setField,
  truncate,
  extend,
  insertSpan,
  removeSpan,
  copySpan,
  splice,
]

function mutateBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  return random.pick(BYTES)(random, Buffer.from(bytes), other).subarray(0, ITEM_BYTES_MAX)
}

/** Drops, repeats, moves or takes over whole items. */
function mutateList(random: Random, input: Input, other: Input): Input {
  const items = [...input]
  const at = random.int(items.length)
  switch (random.int(4)) {
    case 0:
      return items.length > 1 ? items.toSpliced(at, 1) : items
    case 1:
      return items.toSpliced(random.int(items.length + 1), 0, random.pick(items))
    case 2: {
      const [moved] = items.splice(at, 1)
      return moved === undefined ? items : items.toSpliced(random.int(items.length + 1), 0, moved)
    }
    default:
      return [...items.slice(0, at), ...other.slice(random.int(other.length))]
  }
}

/** An input that differs from this one in one to four places. */
export function mutate(random: Random, input: Input, other: Input): Input {
  let items: Input = input
  for (let i = random.int(4); i >= 0; i--) {
    if (items.length > 1 && random.oneIn(3)) {
      items = mutateList(random, items, other).slice(0, ITEM_COUNT_MAX)
      continue
    }
    const at = random.int(items.length)
    const from = random.pick(random.oneIn(2) ? items : other)
    items = items.with(at, mutateBytes(random, items[at] ?? new Uint8Array(0), from))
  }
  return items
}
