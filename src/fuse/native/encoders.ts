/** The C library's structures on x64. */
import type { Attributes, DirectoryEntry, FilesystemStatistics } from '../../fs/operations.ts'

const NANOSECONDS = 1_000_000_000n
const STAT_SIZE = 144
const STATVFS_SIZE = 112
const BLOCK_SIZE = 4096

/** A struct stat. */
export function encodeStat(attributes: Attributes): Buffer {
  const stat = Buffer.alloc(STAT_SIZE)
  stat.writeBigUInt64LE(BigInt(attributes.ino), 8)
  stat.writeBigUInt64LE(BigInt(attributes.nlink), 16)
  stat.writeUInt32LE(attributes.mode, 24)
  stat.writeUInt32LE(attributes.uid, 28)
  stat.writeUInt32LE(attributes.gid, 32)
  stat.writeBigUInt64LE(BigInt(attributes.rdev), 40)
  stat.writeBigInt64LE(BigInt(attributes.size), 48)
  stat.writeBigInt64LE(BigInt(BLOCK_SIZE), 56)
  stat.writeBigInt64LE(BigInt(attributes.sectors), 64)
  writeTime(stat, attributes.atimeNs, 72)
  writeTime(stat, attributes.mtimeNs, 88)
  writeTime(stat, attributes.ctimeNs, 104)
  return stat
}

/** What of a struct stat counts in a listing: number and type. */
export function encodeEntryStat({ ino, type }: DirectoryEntry): Buffer {
  const stat = Buffer.alloc(STAT_SIZE)
  stat.writeBigUInt64LE(BigInt(ino), 8)
  stat.writeUInt32LE(type, 24)
  return stat
}

/** A struct statvfs. */
export function encodeStatvfs(statistics: FilesystemStatistics): Buffer {
  const { blockSize, blockCount, freeCount, inodeCount, inodeFreeCount } = statistics
  const statvfs = Buffer.alloc(STATVFS_SIZE)
  const counts = [blockSize, blockSize, blockCount, freeCount, freeCount]
  const inodes = [inodeCount, inodeFreeCount, inodeFreeCount]
  for (const [index, value] of [...counts, ...inodes].entries()) {
    statvfs.writeBigUInt64LE(BigInt(value), index * 8)
  }
  statvfs.writeBigUInt64LE(BigInt(statistics.nameLengthMax), 80)
  return statvfs
}

/** Nanoseconds always count forwards, also before 1970. */
function writeTime(target: Buffer, timeNs: bigint, at: number): void {
  const nanoseconds = ((timeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  target.writeBigInt64LE((timeNs - nanoseconds) / NANOSECONDS, at)
  target.writeBigInt64LE(nanoseconds, at + 8)
}
