/**
 * Blocks that several places of extent maps refer to: how many more than one. Most blocks have one
 * owner and are not counted here at all; a volume on which nothing was ever shared has no entry and
 * pays nothing. Counts change with commits, in memory, and are written by checkpoints.
 */
import { eachEntry } from '../device/each-entry.ts'
import { ByteReader, ByteWriter } from '../bytes.ts'
import type { BlockNo, Index, IndexOp } from '../device/device.ts'
import { FsError, invariant } from '../errors.ts'
import { prefixEnd, sharesKey } from './keys.ts'
import { openValue, sealValue } from './metadata.ts'

/** Blocks whose counts are one value of the index. */
export const SHARES_BLOCKS = 256

/** Groups kept in memory beyond which unchanged ones are dropped: about 16 MB. */
const CACHED_GROUPS_MAX = 16_384

interface Group {
  /** Owners beyond the first, for each block. */
  readonly counts: Uint32Array
  dirty: boolean
}

export class Shares {
  private readonly index: Index
  private readonly groups = new Map<number, Group>()
  /** Whether nothing is shared, nor was since the volume was opened. */
  isEmpty = true

  constructor(index: Index) {
    this.index = index
  }

  /** Looks whether anything is shared; while opening. */
  async open(): Promise<void> {
    const prefix = sharesKey(0).slice(0, 1)
    for await (const _ of eachEntry(this.index.pages(prefix, prefixEnd(prefix)))) {
      this.isEmpty = false
      return
    }
  }

  /** Owners of a block beyond the first. Throws FsError EIO. */
  extra(block: BlockNo): number {
    return this.isEmpty ? 0 : (this.group(block).counts[block % SHARES_BLOCKS] ?? 0)
  }

  /** Reads what `add` and `remove` of this block need. Throws FsError EIO. */
  prepare(block: BlockNo): void {
    if (!this.isEmpty) this.group(block)
  }

  add(block: BlockNo): void {
    this.isEmpty = false
    this.change(block, 1)
  }

  /** Requires: the block has more than one owner. */
  remove(block: BlockNo): void {
    invariant(this.extra(block) > 0, 'only a shared block loses an owner and stays')
    this.change(block, -1)
  }

  /** Takes the changed groups for a checkpoint. */
  capture(): IndexOp[] {
    const operations: IndexOp[] = []
    for (const [groupIndex, group] of this.groups) {
      if (!group.dirty) continue
      group.dirty = false
      const key = sharesKey(groupIndex)
      const isUsed = group.counts.some((count) => count > 0)
      operations.push(
        isUsed
          ? { type: 'put', key, value: sealValue(key, encodeShares(group.counts)) }
          : { type: 'del', key },
      )
    }
    return operations
  }

  /** The captured groups are in the index, so unchanged ones may be dropped when there are many. */
  release(): void {
    if (this.groups.size <= CACHED_GROUPS_MAX) return
    for (const [groupIndex, group] of this.groups) if (!group.dirty) this.groups.delete(groupIndex)
  }

  private change(block: BlockNo, by: 1 | -1): void {
    const group = this.group(block)
    const slot = block % SHARES_BLOCKS
    group.counts[slot] = (group.counts[slot] ?? 0) + by
    group.dirty = true
  }

  private group(block: BlockNo): Group {
    const groupIndex = Math.floor(block / SHARES_BLOCKS)
    let group = this.groups.get(groupIndex)
    if (group === undefined) {
      const key = sharesKey(groupIndex)
      const value = this.index.get(key)
      const counts =
        value === undefined ? new Uint32Array(SHARES_BLOCKS) : decodeShares(openValue(key, value))
      group = { counts, dirty: false }
      this.groups.set(groupIndex, group)
    }
    return group
  }
}

/** For each block that has one: `slot u8, count u32`, in order. */
export function encodeShares(counts: Uint32Array): Uint8Array {
  const used = [...counts.entries()].filter(([, count]) => count > 0)
  const out = new ByteWriter(Buffer.allocUnsafe(5 * used.length))
  for (const [slot, count] of used) {
    out.u8(slot)
    out.u32(count)
  }
  return out.buffer
}

/** Throws FsError EIO. */
export function decodeShares(body: Uint8Array): Uint32Array {
  const input = new ByteReader(body)
  const counts = new Uint32Array(SHARES_BLOCKS)
  let last = -1
  for (let i = 0; i < body.length; i += 5) {
    const slot = input.u8()
    const count = input.u32()
    if (slot <= last || count === 0) {
      throw new FsError(
        'EIO',
        'Cannot read the index: counts of shared blocks contradict themselves',
      )
    }
    counts[slot] = count
    last = slot
  }
  return counts
}
