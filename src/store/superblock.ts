/**
 * The superblock: what identifies a volume and tells which programs may open it. Two copies, each
 * one block; the valid one with the higher generation counts. It is written last when a volume is
 * made, so a volume without one was never finished.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { newLayout } from '../device/layout.ts'
import { ByteReader, ByteWriter } from '../bytes.ts'
import { crc32c } from '../crc32c.ts'
import { FsError } from '../errors.ts'

/** "oatomic" and a byte that text transfers would change. */
const MAGIC = 'oatomic\n'

/** Version of the volume, apart from the package's. Another major cannot be read. */
export const FORMAT_MAJOR = 1
export const FORMAT_MINOR = 0

/** Feature bits that this program knows. An unknown incompatible one forbids mounting. */
const INCOMPATIBLE_KNOWN = 0b1
/** An unknown one of these allows reading only. */
const READ_ONLY_COMPATIBLE_KNOWN = 0

/** Bit 0: a redo ring with records of kind 1. */
const INCOMPATIBLE_RING = 0b1

export interface Superblock {
  readonly formatMajor: number
  readonly formatMinor: number
  readonly compatible: number
  readonly readOnlyCompatible: number
  readonly incompatible: number
  readonly uuid: Uint8Array
  /** First block of the ring, in the block file. */
  readonly ringStart: number
  readonly ringBlocks: number
  /** Block of the block file that is block 0 of the data. */
  readonly dataStart: number
  readonly generation: number
  readonly createdNs: bigint
}

export function newSuperblock(uuid: Uint8Array, ringBlocks: number, createdNs: bigint): Superblock {
  return {
    formatMajor: FORMAT_MAJOR,
    formatMinor: FORMAT_MINOR,
    compatible: 0,
    readOnlyCompatible: 0,
    incompatible: INCOMPATIBLE_RING,
    uuid,
    ...newLayout(ringBlocks),
    generation: 1,
    createdNs,
  }
}

export function encodeSuperblock(superblock: Superblock): Uint8Array {
  const block = Buffer.alloc(BLOCK_SIZE)
  const out = new ByteWriter(block)
  out.latin1(MAGIC)
  out.u32(0)
  out.u16(superblock.formatMajor)
  out.u16(superblock.formatMinor)
  out.u32(superblock.compatible)
  out.u32(superblock.readOnlyCompatible)
  out.u32(superblock.incompatible)
  out.bytes(superblock.uuid)
  out.u32(superblock.ringStart)
  out.u32(superblock.ringBlocks)
  out.u32(superblock.dataStart)
  out.u64(superblock.generation)
  out.i64(superblock.createdNs)
  block.writeUInt32LE(crc32c(block.subarray(12)), 8)
  return block
}

/** Why a block is not a superblock, or what it says. */
export type DecodedSuperblock = Superblock | 'zero' | 'foreign' | 'damaged'

export function decodeSuperblock(block: Uint8Array): DecodedSuperblock {
  const input = new ByteReader(block)
  if (block.every((byte) => byte === 0)) return 'zero'
  if (input.latin1(MAGIC.length) !== MAGIC) return 'foreign'
  if (input.u32() !== crc32c(block.subarray(12))) return 'damaged'
  try {
    return decodeFields(input)
  } catch (error) {
    if (error instanceof FsError) return 'damaged'
    throw error
  }
}

function decodeFields(input: ByteReader): Superblock {
  return {
    formatMajor: input.u16(),
    formatMinor: input.u16(),
    compatible: input.u32(),
    readOnlyCompatible: input.u32(),
    incompatible: input.u32(),
    uuid: Uint8Array.from(input.bytes(16)),
    ringStart: input.u32(),
    ringBlocks: input.u32(),
    dataStart: input.u32(),
    generation: input.counter('the generation'),
    createdNs: input.i64(),
  }
}

/**
 * Picks the superblock that counts. Throws FsError EINVAL when there is none, with what was found
 * instead; `name` is the volume's, for the message.
 */
export function chooseSuperblock(name: string, copies: readonly Uint8Array[]): Superblock {
  const decoded = copies.map(decodeSuperblock)
  const valid = decoded
    .filter((copy) => typeof copy === 'object')
    .toSorted((a, b) => b.generation - a.generation)
  const [newest] = valid
  if (newest !== undefined) return newest
  if (decoded.every((copy) => copy === 'zero')) {
    throw new FsError(
      'EINVAL',
      `Cannot open volume "${name}": it was never finished; make it again`,
    )
  }
  throw new FsError(
    'EINVAL',
    decoded.includes('damaged')
      ? `Cannot open volume "${name}": both copies of its superblock are damaged`
      : `Cannot open volume "${name}": its block file does not begin with a superblock`,
  )
}

/** Whether this program may write the volume. Throws FsError EINVAL when it may not even read it. */
export function checkFeatures(name: string, superblock: Superblock): 'read-write' | 'read-only' {
  const version = `${superblock.formatMajor}.${superblock.formatMinor}`
  if (superblock.formatMajor !== FORMAT_MAJOR) {
    throw new FsError(
      'EINVAL',
      `Cannot open volume "${name}": its format is ${version}, this program reads ` +
        `${FORMAT_MAJOR}.x; use a newer oatomic`,
    )
  }
  const unknown = (superblock.incompatible & ~INCOMPATIBLE_KNOWN) >>> 0
  if (unknown !== 0) {
    throw new FsError(
      'EINVAL',
      `Cannot open volume "${name}": it uses features (0x${unknown.toString(16)}) ` +
        'that this program does not know; use a newer oatomic',
    )
  }
  const readOnly = superblock.readOnlyCompatible & ~READ_ONLY_COMPATIBLE_KNOWN
  return readOnly === 0 ? 'read-write' : 'read-only'
}
