/**
 * A block of a LevelDB table: entries with shared prefixes, then the places where none is shared.
 * LevelDB believes what it says, and ends the process at some kinds of nonsense.
 */

import { VarintReader } from './varint.ts'

export interface BlockEntry {
  /** With the eight bytes of sequence and type that LevelDB appends. */
  readonly key: Buffer
  readonly value: Buffer
}

const KEY_TRAILER = 8

/** The entries, or undefined where LevelDB could lose its way. */
export function decodeBlock(
  block: Buffer,
  keySizeMin: number = KEY_TRAILER,
): BlockEntry[] | undefined {
  if (block.length < 4) return undefined
  const restartCount = block.readUInt32LE(block.length - 4)
  const end = block.length - 4 - 4 * restartCount
  if (end < 0) return undefined
  const input = new VarintReader(block, end)
  const entries: BlockEntry[] = []
  const starts = new Set<number>([0])
  let key = Buffer.alloc(0)
  while (input.position < end) {
    starts.add(input.position)
    const shared = input.number()
    const rest = input.number()
    const size = input.number()
    const at = input.position
    if (shared > key.length || shared + rest < keySizeMin || at + rest + size > end) {
      return undefined
    }
    key = Buffer.concat([key.subarray(0, shared), block.subarray(at, at + rest)])
    entries.push({ key, value: block.subarray(at + rest, at + rest + size) })
    input.position = at + rest + size
  }
  for (let i = 0; i < restartCount; i++) {
    if (!starts.has(block.readUInt32LE(end + 4 * i))) return undefined
  }
  return entries
}

/** Where a block lies in its file, in bytes; five more follow it: type and checksum. */
export interface BlockPlace {
  readonly offset: number
  readonly size: number
}

/** Places are two numbers with seven bits in a byte. */
export function decodePlaces(bytes: Buffer, count: number): BlockPlace[] | undefined {
  const input = new VarintReader(bytes)
  const places: BlockPlace[] = []
  for (let i = 0; i < count; i++) places.push({ offset: input.number(), size: input.number() })
  return places.every(({ offset, size }) => Number.isSafeInteger(offset + size))
    ? places
    : undefined
}
