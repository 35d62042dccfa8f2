/** Exchanging the content of two files in one commit, by the ioctl that XFS has for it. */
import { type FileHandle, open } from 'node:fs/promises'
import { assertOatomic } from './attributes.ts'
import { failure } from './error.ts'
import { control } from './libc.ts'

/** `struct xfs_exchange_range` and its number, as in XFS's xfs_fs.h. */
const EXCHANGE_RANGE = 0x4028_5881
const STRUCT_SIZE = 40
const FLAG_TO_EOF = 1n
const FLAG_DSYNC = 2n
const FLAG_DRY_RUN = 4n

/** A range in both files, in bytes: multiples of 4096, but at the ends of files. */
export interface ExchangeRange {
  readonly sourceOffset: number
  readonly targetOffset: number
  readonly lengthBytes: number
}

export interface ExchangeOptions {
  /** Without it, all of both files, with their sizes. */
  readonly range?: ExchangeRange
  /** Only tell whether it could be done. */
  readonly dryRun?: boolean
}

/**
 * Exchanges content between two files of one mount; names, owners and modes stay. Durable when it
 * resolves. Throws OatomicError; NotOatomicError on another filesystem.
 */
export async function exchange(
  source: string,
  target: string,
  options: ExchangeOptions = {},
): Promise<void> {
  await assertOatomic(source)
  await assertOatomic(target)
  const sourceFile = await open(source, 'r+')
  try {
    const targetFile = await open(target, 'r+')
    try {
      const result = await control(targetFile.fd, EXCHANGE_RANGE, encode(sourceFile, options))
      if (result < 0) throw failure(`exchange "${source}" with "${target}"`, -result, target)
    } finally {
      await targetFile.close()
    }
  } finally {
    await sourceFile.close()
  }
}

function encode(source: FileHandle, { range, dryRun = false }: ExchangeOptions): Buffer {
  const flags = FLAG_DSYNC | (range === undefined ? FLAG_TO_EOF : 0n) | (dryRun ? FLAG_DRY_RUN : 0n)
  const data = Buffer.alloc(STRUCT_SIZE)
  data.writeInt32LE(source.fd, 0)
  data.writeBigUInt64LE(BigInt(range?.sourceOffset ?? 0), 8)
  data.writeBigUInt64LE(BigInt(range?.targetOffset ?? 0), 16)
  data.writeBigUInt64LE(BigInt(range?.lengthBytes ?? 0), 24)
  data.writeBigUInt64LE(flags, 32)
  return data
}
