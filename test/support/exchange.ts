/** XFS's exchange ioctls as a program calls them: numbers, flags and arguments (xfs_fs.h). */

export const EXCHANGE_RANGE = 0x4028_5881
export const START_COMMIT = 0x8058_5882
export const COMMIT_RANGE = 0x4058_5883

export const FLAG = { TO_EOF: 1, DSYNC: 2, DRY_RUN: 4, FILE1_WRITTEN: 8 } as const

export interface ExchangeArgument {
  readonly descriptor: number
  readonly padding?: number
  readonly firstOffset?: number | bigint
  readonly secondOffset?: number | bigint
  readonly length?: number | bigint
  readonly flags?: number | bigint
}

/** struct xfs_exchange_range, which struct xfs_commit_range begins with. */
export function encodeExchange(argument: ExchangeArgument): Buffer {
  const bytes = Buffer.alloc(40)
  bytes.writeInt32LE(argument.descriptor, 0)
  bytes.writeUInt32LE(argument.padding ?? 0, 4)
  bytes.writeBigUInt64LE(BigInt(argument.firstOffset ?? 0), 8)
  bytes.writeBigUInt64LE(BigInt(argument.secondOffset ?? 0), 16)
  bytes.writeBigUInt64LE(BigInt(argument.length ?? 0), 24)
  bytes.writeBigUInt64LE(BigInt(argument.flags ?? 0), 32)
  return bytes
}
