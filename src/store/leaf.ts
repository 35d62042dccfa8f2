/**
 * A leaf of an extent map: where 64 consecutive file blocks are, and their checksums. In memory it
 * is one array of 128 numbers, 64 block numbers (0 is a hole) and then 64 CRC-32Cs. In the index a
 * leaf is a list of runs, so that a contiguous file costs little more than its checksums.
 */
import { ByteReader, ByteWriter } from '../bytes.ts'
import { FsError } from '../errors.ts'

export const LEAF_BLOCKS = 64

/** Block numbers have 32 bits. */
const BLOCK_END = 0x1_0000_0000

export class Leaf {
  /** Block numbers, then checksums. */
  readonly slots = new Uint32Array(2 * LEAF_BLOCKS)
  mappedCount = 0
  /** Whether a checkpoint has to write it. */
  dirty = false

  block(slot: number): number {
    return this.slots[slot] ?? 0
  }

  checksum(slot: number): number {
    return this.slots[LEAF_BLOCKS + slot] ?? 0
  }

  /** Maps a slot (block 0 unmaps it); returns the block that was there. */
  set(slot: number, block: number, checksum: number): number {
    const old = this.block(slot)
    this.slots[slot] = block
    this.slots[LEAF_BLOCKS + slot] = checksum
    if ((old === 0) !== (block === 0)) this.mappedCount += block === 0 ? -1 : 1
    return old
  }
}

/** Runs of slots whose blocks are consecutive. */
function runsOf(leaf: Leaf): { slot: number; count: number; block: number }[] {
  const runs: { slot: number; count: number; block: number }[] = []
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (block === 0) continue
    const last = runs.at(-1)
    if (
      last !== undefined &&
      last.slot + last.count === slot &&
      last.block + last.count === block
    ) {
      last.count++
    } else {
      runs.push({ slot, count: 1, block })
    }
  }
  return runs
}

/** `count u8`, then for each run `slot u8, count u8, block u32, checksum u32 × count`. */
export function encodeLeaf(leaf: Leaf): Uint8Array {
  const runs = runsOf(leaf)
  const out = new ByteWriter(Buffer.allocUnsafe(1 + 6 * runs.length + 4 * leaf.mappedCount))
  out.u8(runs.length)
  for (const run of runs) {
    out.u8(run.slot)
    out.u8(run.count)
    out.u32(run.block)
    for (let i = 0; i < run.count; i++) out.u32(leaf.checksum(run.slot + i))
  }
  return out.buffer
}

export function decodeLeaf(body: Uint8Array): Leaf {
  const input = new ByteReader(body)
  const leaf = new Leaf()
  const runCount = input.u8()
  for (let i = 0; i < runCount; i++) {
    const slot = input.u8()
    const count = input.u8()
    const block = input.u32()
    if (count === 0 || block === 0 || slot + count > LEAF_BLOCKS || block + count > BLOCK_END) {
      throw new FsError('EIO', 'Cannot decode a leaf: a run lies outside it')
    }
    for (let j = 0; j < count; j++) leaf.set(slot + j, block + j, input.u32())
  }
  if (input.remaining > 0) throw new FsError('EIO', 'Cannot decode a leaf: bytes are left over')
  return leaf
}
