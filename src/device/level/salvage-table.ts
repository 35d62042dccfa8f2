/**
 * Reads what can be read of a damaged table. A block with one turned bit is turned back; where the
 * list of blocks is lost, they are found one behind the other, for they leave no gap.
 */
import { type BlockEntry, type BlockPlace, decodeBlock, decodePlaces } from './block.ts'
import { withOneBitTurned } from './one-bit.ts'
import { FOOTER_SIZE, TRAILER_SIZE, contentOf, hasChecksum, placesOf } from './table.ts'

/** One version of a key. */
export interface LevelEntry {
  /** A byte string. */
  readonly key: string
  /** Of two versions the one with the higher number counts. */
  readonly sequence: number
  /** None for a key that was deleted. */
  readonly value: Buffer | undefined
}

/** A range of keys of which nothing could be read. */
export interface LostRange {
  /** The last key before it, and the last of it. */
  readonly after: string
  readonly upTo: string
}

export interface SalvagedTable {
  readonly entries: readonly LevelEntry[]
  readonly lost: readonly LostRange[]
  /** Places at which a bit was turned back. */
  readonly mendedCount: number
}

const LAST_KEY = '\xff'.repeat(600)

/** `isRight` says whether a value is what was stored, for blocks whose own checksum is wrong. */
export function salvageTable(
  bytes: Buffer,
  isRight: (entry: LevelEntry) => boolean,
): SalvagedTable {
  const listed = blocksOf(bytes)
  const blocks = listed?.map(({ value }) => decodePlaces(value, 1)?.[0]) ?? findBlocks(bytes)
  const entries: LevelEntry[] = []
  const lost: LostRange[] = []
  let mendedCount = 0
  let last = ''
  for (const [i, place] of blocks.entries()) {
    const upTo = listed?.[i] === undefined ? LAST_KEY : userKey(listed[i].key)
    const read = place === undefined ? undefined : readBlock(bytes, place, isRight)
    if (read === undefined) lost.push({ after: last, upTo })
    else entries.push(...read.entries)
    if (read?.isMended === true) mendedCount++
    last = upTo
  }
  if (listed === undefined) lost.push({ after: entries.at(-1)?.key ?? '', upTo: LAST_KEY })
  return { entries, lost, mendedCount }
}

/** The entries of the list of blocks, if it is whole or has one turned bit. */
function blocksOf(bytes: Buffer): readonly BlockEntry[] | undefined {
  const [, index] = placesOf(bytes) ?? placesOf(mendedFooter(bytes)) ?? []
  if (index === undefined) return undefined
  const whole = hasChecksum(bytes, index) ? contentOf(bytes, index) : mendBlock(bytes, index)
  return whole === undefined ? undefined : decodeBlock(whole)
}

/** The footer has no checksum, but the list of blocks that it points to has one. */
function mendedFooter(bytes: Buffer): Buffer {
  const start = Math.max(0, bytes.length - FOOTER_SIZE)
  const footer = withOneBitTurned(bytes.subarray(start), (candidate) => {
    const [metaindex, index] = placesOf(candidate, bytes.length) ?? []
    if (metaindex === undefined || index === undefined) return false
    return hasChecksum(bytes, index) && hasChecksum(bytes, metaindex)
  })
  return footer === undefined ? bytes : Buffer.concat([bytes.subarray(0, start), footer])
}

function mendBlock(bytes: Buffer, { offset, size }: BlockPlace): Buffer | undefined {
  const stored = bytes.subarray(offset, offset + size + TRAILER_SIZE)
  if (stored.length < size + TRAILER_SIZE) return undefined
  const place = { offset: 0, size }
  const mended = withOneBitTurned(stored, (candidate) => hasChecksum(candidate, place))
  return mended?.subarray(0, size)
}

function readBlock(
  bytes: Buffer,
  place: BlockPlace,
  isRight: (entry: LevelEntry) => boolean,
): { readonly entries: readonly LevelEntry[]; readonly isMended: boolean } | undefined {
  if (hasChecksum(bytes, place)) {
    const entries = decodeBlock(contentOf(bytes, place))?.map(toEntry)
    return entries === undefined ? undefined : { entries, isMended: false }
  }
  const mended = mendBlock(bytes, place)
  const entries = mended === undefined ? undefined : decodeBlock(mended)?.map(toEntry)
  return entries?.every(isRight) === true ? { entries, isMended: true } : undefined
}

function toEntry({ key, value }: BlockEntry): LevelEntry {
  const trailer = key.readBigUInt64LE(key.length - 8)
  const isValue = (trailer & 0xffn) === 1n
  return {
    key: userKey(key),
    sequence: Number(trailer >> 8n),
    value: isValue ? value : undefined,
  }
}

const userKey = (key: Buffer): string => key.subarray(0, -8).toString('latin1')

/** Blocks from the start on, as far as each next one has its checksum. */
function findBlocks(bytes: Buffer): BlockPlace[] {
  const places: BlockPlace[] = []
  let offset = 0
  for (;;) {
    const size = sizeOfBlock(bytes, offset)
    if (size === undefined || decodeBlock(contentOf(bytes, { offset, size })) === undefined) break
    places.push({ offset, size })
    offset += size + TRAILER_SIZE
  }
  return places
}

/** The largest value is one of 64 KiB; a block ends with the entry that makes it too large. */
const BLOCK_SIZE_MAX = 96 * 1024

function sizeOfBlock(bytes: Buffer, offset: number): number | undefined {
  const last = Math.min(BLOCK_SIZE_MAX, bytes.length - offset - TRAILER_SIZE)
  for (let size = 8; size <= last; size++) {
    if (bytes[offset + size] === 0 && hasChecksum(bytes, { offset, size })) return size
  }
  return undefined
}
