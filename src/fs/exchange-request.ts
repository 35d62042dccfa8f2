/**
 * The arguments of XFS's exchange ioctls (xfs_fs.h; ioctl_xfs_exchange_range(2)), and the rules about
 * which ranges can be exchanged. Units are bytes.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { FILE_SIZE_MAX } from '../store/inode.ts'

export const EXCHANGE_RANGE = 0x4028_5881
export const START_COMMIT = 0x8058_5882
export const COMMIT_RANGE = 0x4058_5883

/** What comes before the freshness in the argument of COMMIT_RANGE, and is all of EXCHANGE_RANGE's. */
export const RANGE_SIZE = 40

const FLAG = { TO_EOF: 1n, DSYNC: 2n, DRY_RUN: 4n, FILE1_WRITTEN: 8n } as const
const KNOWN_FLAGS = Object.values(FLAG).reduce((all, flag) => all | flag, 0n)

const OFFSET_END = 2n ** 63n

export interface ExchangeRequest {
  /** Number of the first file in the caller's table. */
  readonly descriptor: number
  readonly firstOffset: number
  readonly secondOffset: number
  readonly lengthBytes: number
  readonly toEnd: boolean
  readonly durable: boolean
  readonly dryRun: boolean
  /** Leave out where the first file has holes. */
  readonly writtenOnly: boolean
}

/** Throws FsError EINVAL. */
export function decodeExchange(input: Uint8Array): ExchangeRequest {
  const bytes = Buffer.from(input)
  if (bytes.length < RANGE_SIZE) throw new FsError('EINVAL', 'The argument is cut off')
  const flags = bytes.readBigUInt64LE(32)
  if (bytes.readUInt32LE(4) !== 0) throw new FsError('EINVAL', 'The padding is not zero')
  if ((flags & ~KNOWN_FLAGS) !== 0n) {
    throw new FsError('EINVAL', `Flags 0x${flags.toString(16)} are not known`)
  }
  const toEnd = (flags & FLAG.TO_EOF) !== 0n
  return {
    descriptor: bytes.readInt32LE(0),
    firstOffset: offsetAt(bytes, 8),
    secondOffset: offsetAt(bytes, 16),
    lengthBytes: toEnd ? 0 : offsetAt(bytes, 24),
    toEnd,
    durable: (flags & FLAG.DSYNC) !== 0n,
    dryRun: (flags & FLAG.DRY_RUN) !== 0n,
    writtenOnly: (flags & FLAG.FILE1_WRITTEN) !== 0n,
  }
}

/** No file is as long as the first number that cannot be told exactly. */
function offsetAt(bytes: Buffer, at: number): number {
  const offset = bytes.readBigUInt64LE(at)
  if (offset >= OFFSET_END) throw new FsError('EINVAL', 'An offset is negative')
  return Number(offset)
}

export interface ExchangeRange {
  readonly lengthBytes: number
  /** New sizes, if the ranges reach to the ends of both files. */
  readonly sizes?: { readonly first: number; readonly second: number }
  /** Bytes from the begin of the ranges on in which holes of the first file may be left out. */
  readonly writtenOnly: number
}

/** What is to be exchanged of files with these sizes. Throws FsError EINVAL or EFBIG. */
export function rangeOf(
  request: ExchangeRequest,
  firstSize: number,
  secondSize: number,
  isSameFile: boolean,
): ExchangeRange {
  const { firstOffset, secondOffset, toEnd, writtenOnly } = request
  if (firstOffset > firstSize || secondOffset > secondSize) {
    throw new FsError('EINVAL', 'A range begins behind the end of its file')
  }
  const firstLeft = firstSize - firstOffset
  const secondLeft = secondSize - secondOffset
  const lengthBytes = toEnd ? Math.max(firstLeft, secondLeft) : request.lengthBytes
  if (firstOffset % BLOCK_SIZE !== 0 || secondOffset % BLOCK_SIZE !== 0) {
    throw new FsError('EINVAL', `Ranges begin at multiples of ${BLOCK_SIZE}`)
  }
  if (!toEnd && lengthBytes > Math.min(firstLeft, secondLeft)) {
    throw new FsError('EINVAL', 'A range ends behind the end of its file')
  }
  if (Math.max(firstOffset, secondOffset) + lengthBytes > FILE_SIZE_MAX) {
    throw new FsError('EFBIG', `A file cannot be larger than ${FILE_SIZE_MAX}`)
  }
  if (lengthBytes % BLOCK_SIZE !== 0 && !endsBoth(lengthBytes, firstLeft, secondLeft)) {
    throw new FsError('EINVAL', 'A part of a block is exchanged at the ends of both files only')
  }
  const wholeBytes = Math.ceil(lengthBytes / BLOCK_SIZE) * BLOCK_SIZE
  if (isSameFile && Math.abs(firstOffset - secondOffset) < wholeBytes) {
    throw new FsError('EINVAL', 'The ranges overlap')
  }
  if (isSameFile && toEnd && lengthBytes > 0) {
    throw new FsError('EINVAL', 'A file has one end, which two ranges of it cannot both reach to')
  }
  if (!toEnd) return { lengthBytes, writtenOnly: writtenOnly ? lengthBytes : 0 }
  const sizes = { first: firstOffset + secondLeft, second: secondOffset + firstLeft }
  return { lengthBytes, sizes, writtenOnly: writtenOnly ? keptBytes(firstLeft, secondLeft) : 0 }
}

/** A longer range is no part of a block of either file: nothing is behind the end. */
function endsBoth(lengthBytes: number, firstLeft: number, secondLeft: number): boolean {
  return lengthBytes >= firstLeft && lengthBytes >= secondLeft
}

/**
 * Where sizes change, what is behind the new end of the second file goes to the first whatever that has,
 * and so does the block in which it ends: behind the end there is nothing but zeros.
 */
function keptBytes(firstLeft: number, secondLeft: number): number {
  if (firstLeft >= secondLeft) return firstLeft
  return Math.floor(firstLeft / BLOCK_SIZE) * BLOCK_SIZE
}
