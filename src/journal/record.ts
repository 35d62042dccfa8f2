/**
 * One ring record: one commit, or a part of a large one. Whole blocks: a header with all operations
 * and a checksum over it, then one block for each page operation, covered by the checksum in its
 * operation. A record is valid as a whole or not at all.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { ByteReader, ByteWriter } from '../bytes.ts'
import { crc32c } from '../crc32c.ts'
import { FsError, invariant } from '../errors.ts'
import { FILE_BLOCKS_MAX } from '../store/inode.ts'
import type { Op } from '../store/ops.ts'

const MAGIC = 0x6a72_616f
/** Bytes of a record before its operations. */
export const FIXED_SIZE = 80

/** The largest record, in blocks: 1 GiB of remapped blocks and a MiB of pages fit. */
const RECORD_BLOCKS_MAX = 768

/** The largest record of a ring, in blocks: small rings take small commits. */
export function recordBlocksMax(ringBlockCount: number): number {
  return Math.min(RECORD_BLOCKS_MAX, Math.floor(ringBlockCount / 8))
}

/** The largest commit, in blocks: so much of the ring may wait for one flush. */
export function commitBlocksMax(ringBlockCount: number): number {
  return Math.floor(ringBlockCount / 4)
}

/** More than the blocks of any ring that this program makes. */
const PARTS_MAX = 0xffff
const GENERATION_MAX = 0xffff_fffe
const CODES = {
  put: 1,
  del: 2,
  page: 3,
  remap: 4,
  unmap: 5,
  drop: 6,
  share: 7,
  move: 8,
  vacate: 9,
} as const

/** Operations that map consecutive blocks, by code. */
const MAPPING: ReadonlyMap<number, 'remap' | 'share' | 'move'> = new Map([
  [CODES.remap, 'remap'],
  [CODES.share, 'share'],
  [CODES.move, 'move'],
])

/** A record's fields apart from its operations. Positions are blocks since the volume was made. */
export interface RecordHeader {
  readonly commitSeq: number
  readonly position: number
  readonly epoch: number
  /** First four bytes of the volume's uuid. */
  readonly volume: number
  /** Every commit up to this one was durable when the record was made. */
  readonly durableSeq: number
  /** Last commit that the index contained then. */
  readonly checkpointSeq: number
  readonly timeNs: bigint
  /** How many records of the same commit follow. */
  readonly partsLeft: number
}

export interface RingRecord {
  readonly header: RecordHeader
  readonly blockCount: number
  readonly ops: readonly Op[]
}

/** Bytes that an operation takes in a header. */
export function opSize(op: Op): number {
  switch (op.type) {
    case 'put':
      return 1 + 2 + 4 + op.key.length + op.body.length
    case 'del':
      return 1 + 2 + op.key.length
    case 'page':
      return 1 + 8 + 4 + 4 + 4 + 4
    case 'remap':
    case 'share':
    case 'move':
      return 1 + 8 + 4 + 4 + 4 + 4 + 4 * op.checksums.length
    case 'unmap':
    case 'vacate':
      return 1 + 8 + 4 + 4 + 4
    case 'drop':
      return 1 + 8 + 4 + 4
  }
}

/** How many blocks the header and the pages of a record take. */
export function measureRecord(ops: readonly Op[]): { headerBlocks: number; blockCount: number } {
  let headerBytes = FIXED_SIZE
  let pageCount = 0
  for (const op of ops) {
    headerBytes += opSize(op)
    if (op.type === 'page') pageCount++
  }
  const headerBlocks = Math.ceil(headerBytes / BLOCK_SIZE)
  return { headerBlocks, blockCount: headerBlocks + pageCount }
}

/** Writes a record at the start of `target`, which has room for it. */
export function encodeRecord(header: RecordHeader, ops: readonly Op[], target: Uint8Array): void {
  const { headerBlocks, blockCount } = measureRecord(ops)
  const headerEnd = headerBlocks * BLOCK_SIZE
  const out = new ByteWriter(target)
  out.u32(MAGIC)
  out.u32(0)
  out.u64(header.commitSeq)
  out.u64(header.position)
  out.u32(header.epoch)
  out.u32(header.volume)
  out.u32(headerBlocks)
  out.u32(blockCount)
  out.u32(ops.length)
  out.u32(header.partsLeft)
  out.u64(header.durableSeq)
  out.u64(header.checkpointSeq)
  out.i64(header.timeNs)
  out.u64(0)
  invariant(out.position === FIXED_SIZE, 'the fixed part of a record has its size')
  let pageAt = headerEnd
  for (const op of ops) {
    encodeOp(out, op)
    if (op.type !== 'page') continue
    target.set(op.data, pageAt)
    pageAt += BLOCK_SIZE
  }
  target.fill(0, out.position, headerEnd)
  out.buffer.writeUInt32LE(crc32c(target.subarray(8, headerEnd)), 4)
}

function encodeOp(out: ByteWriter, op: Op): void {
  out.u8(CODES[op.type])
  if (op.type === 'put' || op.type === 'del') {
    out.u16(op.key.length)
    if (op.type === 'put') out.u32(op.body.length)
    out.latin1(op.key)
    if (op.type === 'put') out.bytes(op.body)
    return
  }
  out.u64(op.ino)
  out.u32(op.generation)
  out.u32(op.fileBlock)
  if (op.type === 'drop') return
  if (op.type === 'unmap' || op.type === 'vacate') {
    out.u32(op.count)
  } else if (op.type === 'page') {
    out.u32(op.block)
    out.u32(op.checksum)
  } else {
    out.u32(op.block)
    out.u32(op.checksums.length)
    for (const checksum of op.checksums) out.u32(checksum)
  }
}

/** What the first block of a candidate says, before anything of it is believed. */
export function peekRecord(
  block: Uint8Array,
): { headerBlocks: number; blockCount: number } | undefined {
  const input = new ByteReader(block)
  if (input.u32() !== MAGIC) return undefined
  input.position = 32
  const headerBlocks = input.u32()
  const blockCount = input.u32()
  return headerBlocks >= 1 && blockCount >= headerBlocks ? { headerBlocks, blockCount } : undefined
}

/**
 * Reads a record, or tells why it is none. `bytes` begins with it and reaches to its end at least.
 * Page operations keep views of `bytes`.
 */
export function decodeRecord(bytes: Uint8Array): RingRecord | 'invalid' {
  const peeked = peekRecord(bytes.subarray(0, BLOCK_SIZE))
  if (peeked === undefined || peeked.blockCount * BLOCK_SIZE > bytes.length) return 'invalid'
  const headerEnd = peeked.headerBlocks * BLOCK_SIZE
  const input = new ByteReader(bytes, 4, headerEnd)
  if (input.u32() !== crc32c(bytes.subarray(8, headerEnd))) return 'invalid'
  const commitSeq = input.counter('a commit')
  const position = input.counter('a position')
  const epoch = input.u32()
  const volume = input.u32()
  input.position += 8
  const opCount = input.u32()
  const partsLeft = input.bounded('u32', PARTS_MAX, 'a number of parts')
  const header: RecordHeader = {
    commitSeq,
    position,
    epoch,
    volume,
    durableSeq: input.counter('a durable commit'),
    checkpointSeq: input.counter('a checkpoint'),
    timeNs: input.i64(),
    partsLeft,
  }
  input.position = FIXED_SIZE
  const pages = { bytes, at: headerEnd }
  const ops: Op[] = []
  for (let i = 0; i < opCount; i++) {
    const op = decodeOp(input, pages)
    if (op === undefined) return 'invalid'
    ops.push(op)
  }
  return { header, blockCount: peeked.blockCount, ops }
}

/** The next operation, or undefined when its page was not written whole. */
function decodeOp(input: ByteReader, pages: { bytes: Uint8Array; at: number }): Op | undefined {
  const code = input.u8()
  if (code === CODES.put) {
    const keyLength = input.u16()
    const bodyLength = input.u32()
    const key = input.latin1(keyLength)
    return { type: 'put', key, body: Uint8Array.from(input.bytes(bodyLength)) }
  }
  if (code === CODES.del) return { type: 'del', key: input.latin1(input.u16()) }
  const place = {
    ino: input.counter('an inode'),
    generation: input.bounded('u32', GENERATION_MAX, 'a generation'),
    fileBlock: input.bounded('u32', FILE_BLOCKS_MAX, 'a file block'),
  }
  if (code === CODES.drop) return { type: 'drop', ...place }
  if (code === CODES.unmap) return { type: 'unmap', ...place, count: input.u32() }
  if (code === CODES.vacate) return { type: 'vacate', ...place, count: input.u32() }
  const block = input.u32()
  const type = MAPPING.get(code)
  if (type !== undefined) {
    const checksums = new Uint32Array(input.bounded('u32', input.remaining / 4, 'a count'))
    for (let i = 0; i < checksums.length; i++) checksums[i] = input.u32()
    return { type, ...place, block, checksums }
  }
  if (code !== CODES.page) throw new FsError('EIO', `A ring record has operation ${code}`)
  const checksum = input.u32()
  const data = pages.bytes.subarray(pages.at, pages.at + BLOCK_SIZE)
  pages.at += BLOCK_SIZE
  return data.length === BLOCK_SIZE && crc32c(data) === checksum
    ? { type: 'page', ...place, block, checksum, data }
    : undefined
}
