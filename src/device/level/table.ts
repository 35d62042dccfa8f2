/**
 * Verifies a table of LevelDB (an `.ldb` file): each of its blocks has a checksum, which LevelDB
 * writes and does not look at when it reads.
 */
import { type BlockPlace, decodeBlock, decodePlaces } from './block.ts'
import { maskedCrc } from './checksum.ts'

export const FOOTER_SIZE = 48
const MAGIC = 0xdb47_7524_8b80_fb57n
/** Type of compression and checksum, behind each block. */
export const TRAILER_SIZE = 5

/** What is wrong with a file of the index. */
export interface FileDamage {
  /** In the file, in bytes. */
  readonly offset: number
  readonly what: string
  /** Whether LevelDB may use the file all the same: it loses keys at most, not its way. */
  readonly isUsable: boolean
}

/** All damage of a table, of which these are the bytes. */
export function verifyTable(bytes: Buffer): FileDamage[] {
  const [metaindex, index] = placesOf(bytes) ?? []
  if (metaindex === undefined || index === undefined) {
    const offset = Math.max(0, bytes.length - FOOTER_SIZE)
    return [damage(offset, 'the footer of the table is damaged')]
  }
  const found: FileDamage[] = []
  for (const [place, name] of [
    [metaindex, 'the list of filters'],
    [index, 'the list of blocks'],
  ] as const) {
    if (!hasChecksum(bytes, place)) found.push(damage(place.offset, `${name} is damaged`))
  }
  if (found.length > 0) return found
  for (const place of listed(bytes, metaindex, 0)) {
    if (!hasChecksum(bytes, place)) found.push(damage(place.offset, 'a filter is damaged'))
  }
  for (const place of listed(bytes, index)) {
    if (!hasChecksum(bytes, place)) found.push(damagedData(bytes, place))
  }
  return found
}

/** Where the list of filters and the list of blocks are, as the footer at the end says. */
export function placesOf(bytes: Buffer, fileSize = bytes.length): BlockPlace[] | undefined {
  const footer = bytes.subarray(Math.max(0, bytes.length - FOOTER_SIZE))
  if (footer.length < FOOTER_SIZE || footer.readBigUInt64LE(FOOTER_SIZE - 8) !== MAGIC) {
    return undefined
  }
  const places = decodePlaces(footer, 2)
  return places?.every(({ offset, size }) => offset + size < fileSize) === true ? places : undefined
}

function listed(bytes: Buffer, place: BlockPlace, keySizeMin?: number): BlockPlace[] {
  const entries = decodeBlock(contentOf(bytes, place), keySizeMin) ?? []
  return entries.flatMap(({ value }) => decodePlaces(value, 1) ?? [])
}

export function contentOf(bytes: Buffer, { offset, size }: BlockPlace): Buffer {
  return bytes.subarray(offset, offset + size)
}

export function hasChecksum(bytes: Buffer, { offset, size }: BlockPlace): boolean {
  const end = offset + size + TRAILER_SIZE
  if (end > bytes.length) return false
  return maskedCrc(bytes.subarray(offset, end - 4)) === bytes.readUInt32LE(end - 4)
}

function damagedData(bytes: Buffer, place: BlockPlace): FileDamage {
  const type = bytes[place.offset + place.size]
  const isUsable = type === 0 && decodeBlock(contentOf(bytes, place)) !== undefined
  return { offset: place.offset, what: `${place.size} bytes of entries are damaged`, isUsable }
}

function damage(offset: number, what: string): FileDamage {
  return { offset, what, isUsable: false }
}
