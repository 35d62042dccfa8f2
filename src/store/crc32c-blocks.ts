/**
 * The checksum of blocks in a row, from the checksum of each: a run that was read is compared with one call.
 * With a + b for exclusive or, and Z(a) for what a becomes by a block of zeros, crc(AB) = Z(crc(A)) + crc(B);
 * and Z(a + b) = Z(a) + Z(b), so that a table for each byte of a will do.
 */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE } from '../device/device.ts'

/** Filled when they are first used. */
let tables: readonly Uint32Array[] | undefined

function makeTables(): readonly Uint32Array[] {
  const zeros = new Uint8Array(BLOCK_SIZE)
  // A seed is the checksum of what came before; without any, it is 0.
  const ofNone = crc32c(zeros)
  return [0, 8, 16, 24].map((shift) =>
    Uint32Array.from({ length: 256 }, (_, byte) => crc32c(zeros, (byte << shift) >>> 0) ^ ofNone),
  )
}

const at = (table: Uint32Array | undefined, byte: number): number => table?.[byte & 0xff] ?? 0

/** CRC-32C of whole blocks that have these checksums, one behind the other. */
export function crc32cOfBlocks(checksums: readonly number[]): number {
  tables ??= makeTables()
  const [t0, t1, t2, t3] = tables
  let crc = 0
  for (const checksum of checksums) {
    crc = at(t0, crc) ^ at(t1, crc >>> 8) ^ at(t2, crc >>> 16) ^ at(t3, crc >>> 24) ^ checksum
  }
  return crc >>> 0
}
