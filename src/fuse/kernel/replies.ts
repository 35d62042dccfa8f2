/**
 * Encoders of answers. An answer is one buffer that begins with REPLY_HEADER_SIZE bytes of room,
 * which the sender fills in; so it goes out with one write(2).
 */
import type { Attributes, FilesystemStatistics, Opened } from '../../fs/operations.ts'
import type { ReplyTimeouts } from '../timeouts.ts'
import { OPENED_DIRECT_IO, OPENED_KEEP_CACHE, PAGE_SIZE, REPLY_HEADER_SIZE } from './protocol.ts'

const NANOSECONDS = 1_000_000_000n

const ATTRIBUTES_SIZE = 88
export const ENTRY_SIZE = 40 + ATTRIBUTES_SIZE

const ATTRIBUTES_REPLY_SIZE = 16 + ATTRIBUTES_SIZE
const OPENED_SIZE = 16
const STATISTICS_SIZE = 80
const STATX_SIZE = 288

/** An answer with room for `payloadSize` bytes, all zero. */
export function newReply(payloadSize: number): Buffer {
  return Buffer.alloc(REPLY_HEADER_SIZE + payloadSize)
}

/** An offset of a file. */
export function encodeOffset(offset: number): Buffer {
  const reply = newReply(8)
  writeU64(reply, offset, REPLY_HEADER_SIZE)
  return reply
}

/** A successful ioctl(2) that returns 0 and these bytes. */
export function encodeIoctl(output: Uint8Array): Buffer {
  const reply = newReply(16 + output.length)
  reply.set(output, REPLY_HEADER_SIZE + 16)
  return reply
}

/** Success without a payload. */
export function encodeDone(): Buffer {
  return newReply(0)
}

export function encodeBytes(payload: Uint8Array): Buffer {
  const reply = newReply(payload.length)
  reply.set(payload, REPLY_HEADER_SIZE)
  return reply
}

export function encodeAttributes(attributes: Attributes, timeouts: ReplyTimeouts): Buffer {
  const reply = newReply(ATTRIBUTES_REPLY_SIZE)
  writeU64(reply, secondsOf(attributes, timeouts), REPLY_HEADER_SIZE)
  writeAttributes(reply, REPLY_HEADER_SIZE + 16, attributes)
  return reply
}

export function encodeEntry(attributes: Attributes, timeouts: ReplyTimeouts): Buffer {
  const reply = newReply(ENTRY_SIZE)
  writeEntry(reply, REPLY_HEADER_SIZE, attributes, timeouts)
  return reply
}

/** An answer that the kernel may keep: there is no such entry. */
export function encodeMissing(timeouts: ReplyTimeouts): Buffer {
  const reply = newReply(ENTRY_SIZE)
  writeU64(reply, timeouts.missingSeconds, REPLY_HEADER_SIZE + 16)
  return reply
}

export function encodeOpened(opened: Opened): Buffer {
  const reply = newReply(OPENED_SIZE)
  writeOpened(reply, REPLY_HEADER_SIZE, opened)
  return reply
}

export function encodeCreated(
  attributes: Attributes,
  opened: Opened,
  timeouts: ReplyTimeouts,
): Buffer {
  const reply = newReply(ENTRY_SIZE + OPENED_SIZE)
  writeEntry(reply, REPLY_HEADER_SIZE, attributes, timeouts)
  writeOpened(reply, REPLY_HEADER_SIZE + ENTRY_SIZE, opened)
  return reply
}

/** How much a WRITE has taken, or how much room an xattr needs. */
export function encodeSize(sizeBytes: number): Buffer {
  const reply = newReply(8)
  reply.writeUInt32LE(sizeBytes, REPLY_HEADER_SIZE)
  return reply
}

export function encodeStatistics(statistics: FilesystemStatistics): Buffer {
  const reply = newReply(STATISTICS_SIZE)
  const at = REPLY_HEADER_SIZE
  writeU64(reply, statistics.blockCount, at)
  writeU64(reply, statistics.freeCount, at + 8)
  // Nothing is kept back for root: what is free is available.
  writeU64(reply, statistics.freeCount, at + 16)
  writeU64(reply, statistics.inodeCount, at + 24)
  writeU64(reply, statistics.inodeFreeCount, at + 32)
  reply.writeUInt32LE(statistics.blockSize, at + 40)
  reply.writeUInt32LE(statistics.nameLengthMax, at + 44)
  reply.writeUInt32LE(statistics.blockSize, at + 48)
  return reply
}

/** STATX: the attributes again, and the time of birth. */
export function encodeStatx(attributes: Attributes, timeouts: ReplyTimeouts): Buffer {
  const STATX_BASIC_AND_BTIME = 0xfff
  const reply = newReply(STATX_SIZE)
  writeU64(reply, secondsOf(attributes, timeouts), REPLY_HEADER_SIZE)
  const at = REPLY_HEADER_SIZE + 32
  reply.writeUInt32LE(STATX_BASIC_AND_BTIME, at)
  reply.writeUInt32LE(PAGE_SIZE, at + 4)
  reply.writeUInt32LE(attributes.nlink, at + 16)
  reply.writeUInt32LE(attributes.uid, at + 20)
  reply.writeUInt32LE(attributes.gid, at + 24)
  reply.writeUInt16LE(attributes.mode, at + 28)
  writeU64(reply, attributes.ino, at + 32)
  writeU64(reply, attributes.size, at + 40)
  writeU64(reply, attributes.sectors, at + 48)
  const { atimeNs, btimeNs, ctimeNs, mtimeNs } = attributes
  for (const [index, time] of [atimeNs, btimeNs, ctimeNs, mtimeNs].entries()) {
    writeTime(reply, time, at + 64 + index * 16, at + 72 + index * 16)
  }
  // The packed form of a device number has 12 bits of major in the middle of 20 bits of minor.
  const { rdev } = attributes
  reply.writeUInt32LE((rdev & 0xf_ff00) >>> 8, at + 128)
  reply.writeUInt32LE((rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00), at + 132)
  return reply
}

/** What leads from a name to an inode. The generation stays 0: inode numbers are never reused. */
export function writeEntry(
  target: Buffer,
  at: number,
  attributes: Attributes,
  timeouts: ReplyTimeouts,
): void {
  writeU64(target, attributes.ino, at)
  writeU64(target, timeouts.entrySeconds, at + 16)
  writeU64(target, secondsOf(attributes, timeouts), at + 24)
  writeAttributes(target, at + 40, attributes)
}

/** How long the kernel may keep attributes. */
function secondsOf({ isVolatile }: Attributes, { attributesSeconds }: ReplyTimeouts): number {
  return isVolatile === true ? 0 : attributesSeconds
}

function writeAttributes(target: Buffer, at: number, attributes: Attributes): void {
  writeU64(target, attributes.ino, at)
  writeU64(target, attributes.size, at + 8)
  writeU64(target, attributes.sectors, at + 16)
  writeTime(target, attributes.atimeNs, at + 24, at + 48)
  writeTime(target, attributes.mtimeNs, at + 32, at + 52)
  writeTime(target, attributes.ctimeNs, at + 40, at + 56)
  target.writeUInt32LE(attributes.mode, at + 60)
  target.writeUInt32LE(attributes.nlink, at + 64)
  target.writeUInt32LE(attributes.uid, at + 68)
  target.writeUInt32LE(attributes.gid, at + 72)
  target.writeUInt32LE(attributes.rdev, at + 76)
  target.writeUInt32LE(PAGE_SIZE, at + 80)
}

function writeOpened(target: Buffer, at: number, opened: Opened): void {
  writeU64(target, opened.fh, at)
  const isDirect = opened.isDirect === true
  const flags = (opened.keepCache ? OPENED_KEEP_CACHE : 0) | (isDirect ? OPENED_DIRECT_IO : 0)
  target.writeUInt32LE(flags, at + 8)
}

function writeTime(target: Buffer, timeNs: bigint, secondsAt: number, nanosecondsAt: number): void {
  let seconds = timeNs / NANOSECONDS
  let nanoseconds = timeNs - seconds * NANOSECONDS
  if (nanoseconds < 0n) {
    // Before 1970: nanoseconds always count forwards.
    seconds -= 1n
    nanoseconds += NANOSECONDS
  }
  target.writeBigInt64LE(seconds, secondsAt)
  target.writeUInt32LE(Number(nanoseconds), nanosecondsAt)
}

/** Requires: `value` is a safe integer and not negative. */
export function writeU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % 0x1_0000_0000, at)
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}
