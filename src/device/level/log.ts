/**
 * Verifies a log of LevelDB: of batches (`.log`), or of what tables there are (`MANIFEST`). It has
 * blocks of 32 KiB, with records of `checksum u32, size u16, type u8, content`.
 *
 * The last batch may be torn by a crash; it was not acknowledged then. But one that has later ones
 * behind it was whole once. LevelDB leaves it out without a word, and what it brought is lost.
 */
import { maskedCrc } from './checksum.ts'
import { withOneBitTurned } from './one-bit.ts'
import type { FileDamage } from './table.ts'

const BLOCK_SIZE = 32_768
const HEADER_SIZE = 7
const FULL = 1
const FIRST = 2
const LAST = 4

/** What the whole records of a log hold, up to the first that is not whole. */
export function* logRecords(bytes: Buffer): Generator<Buffer, void> {
  for (const { content, isBehindDamage } of salvageRecords(bytes)) {
    if (isBehindDamage) return
    yield content
  }
}

/** All whole records; what lies behind a damaged place in a block is lost with it. */
export function* salvageRecords(
  bytes: Buffer,
): Generator<{ readonly content: Buffer; readonly isBehindDamage: boolean }, void> {
  let parts: Buffer[] | undefined
  let isBehindDamage = false
  for (let start = 0; start < bytes.length; start += BLOCK_SIZE) {
    const block = bytes.subarray(start, start + BLOCK_SIZE)
    for (let at = 0; at + HEADER_SIZE <= block.length;) {
      const size = recordSize(block, at)
      if (size === undefined) {
        isBehindDamage = true
        parts = undefined
        at++
        continue
      }
      const type = block[at + 6]
      if (type === FULL || type === FIRST) parts = []
      parts?.push(block.subarray(at + HEADER_SIZE, at + size))
      if ((type === FULL || type === LAST) && parts !== undefined) {
        yield { content: Buffer.concat(parts), isBehindDamage }
        parts = undefined
      }
      at += size
    }
  }
}

/** The log with one turned bit turned back, if that makes it whole. */
export function mendLog(bytes: Buffer): Buffer | undefined {
  const damage = verifyLog(bytes)
  if (damage === undefined) return undefined
  const start = damage.offset - (damage.offset % BLOCK_SIZE)
  const block = bytes.subarray(start, start + BLOCK_SIZE)
  const at = damage.offset - start
  const mended = withOneBitTurned(block.subarray(at), (rest) => recordSize(rest, 0) !== undefined)
  if (mended === undefined) return undefined
  const whole = Buffer.from(bytes)
  whole.set(mended, damage.offset)
  return verifyLog(whole) === undefined ? whole : undefined
}

/** Damage that a crash cannot have made: the first bad place in front of a whole begin of a batch. */
export function verifyLog(bytes: Buffer): FileDamage | undefined {
  let bad: number | undefined
  for (let start = 0; start < bytes.length; start += BLOCK_SIZE) {
    const block = bytes.subarray(start, start + BLOCK_SIZE)
    const end = bad === undefined ? wholeUpTo(block) : 0
    if (end === undefined) continue
    bad ??= start + end
    if (hasBegin(block, end)) {
      const what = 'a batch is damaged that later ones follow'
      return { offset: bad, what, isUsable: false }
    }
  }
  return undefined
}

/** Where the first record is that is not whole, if there is one. */
export function endOfWhole(bytes: Buffer): number | undefined {
  for (let start = 0; start < bytes.length; start += BLOCK_SIZE) {
    const end = wholeUpTo(bytes.subarray(start, start + BLOCK_SIZE))
    if (end !== undefined) return start + end
  }
  return undefined
}

/** Where in a block its records are no longer whole, if so. */
function wholeUpTo(block: Buffer): number | undefined {
  let at = 0
  while (at + HEADER_SIZE <= block.length) {
    const size = recordSize(block, at)
    if (size === undefined) return at
    at += size
  }
  // What is left has no room for a header, and nobody looks at it.
  return undefined
}

/** The size of the whole record that is here, if there is one. */
function recordSize(block: Buffer, at: number): number | undefined {
  const size = HEADER_SIZE + block.readUInt16LE(at + 4)
  const type = block[at + 6] ?? 0
  if (type < FULL || type > LAST || at + size > block.length) return undefined
  const isWhole = maskedCrc(block.subarray(at + 6, at + size)) === block.readUInt32LE(at)
  return isWhole ? size : undefined
}

/** Whether a batch begins anywhere behind a bad place, whose size cannot be believed. */
function hasBegin(block: Buffer, from: number): boolean {
  for (let at = from; at + HEADER_SIZE <= block.length; at++) {
    const type = block[at + 6]
    if ((type === FULL || type === FIRST) && recordSize(block, at) !== undefined) return true
  }
  return false
}
