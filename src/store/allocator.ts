/**
 * Which blocks are free. Two bitmaps: `mapped` is what committed extent maps refer to, and what a
 * checkpoint persists; `used` has in addition what is staged, and what was freed but may not be
 * reused yet. A block that a commit frees becomes free only when a checkpoint has completed that
 * started after the commit: before that, a crash would bring back a map that refers to it, or a
 * home write under way could hit its new owner.
 */
import { type BlockNo, type Blocks, type IndexOp } from '../device/device.ts'
import { FsError, invariant } from '../errors.ts'
import { Bitmap, GROUP_BLOCKS } from './bitmap.ts'
import { bitmapKey } from './keys.ts'
import { sealValue } from './metadata.ts'

/** Consecutive blocks. */
export interface Run {
  readonly start: BlockNo
  readonly count: number
}

export class Allocator {
  private readonly blocks: Blocks
  private readonly used: Bitmap
  private readonly mapped: Bitmap
  private readonly dirtyGroups = new Set<number>()
  private freed: Run[] = []
  private freedBlocks = 0
  private releasing: Run[] = []
  private cursor: BlockNo = 1
  private reservedCount = 0
  /** How many shadow forks mean to map a block of somebody else. */
  private readonly borrowed = new Map<BlockNo, number>()
  /** Blocks that lost their last owner while they were borrowed. */
  private readonly kept = new Set<BlockNo>()

  constructor(blocks: Blocks) {
    this.blocks = blocks
    this.used = new Bitmap(blocks.blockCount)
    this.mapped = new Bitmap(blocks.blockCount)
    // Block 0 means "no block" in a map, so it belongs to nobody.
    this.used.set(0)
  }

  get blockCount(): number {
    return this.used.bitCount
  }

  /** Blocks that could be reserved now without growing. */
  get availableCount(): number {
    return this.used.bitCount - this.used.setCount - this.reservedCount
  }

  /** Blocks that a checkpoint will make available. */
  get pendingCount(): number {
    return this.freedBlocks + countOf(this.releasing)
  }

  /** Those of them that a checkpoint which started now would make available. */
  get freedCount(): number {
    return this.freedBlocks
  }

  get mappedCount(): number {
    return this.mapped.setCount
  }

  isMapped(block: BlockNo): boolean {
    return this.mapped.has(block)
  }

  /** Takes over a group of the persisted bitmap; only while opening. Throws FsError EIO. */
  load(groupIndex: number, bytes: Uint8Array): void {
    if (bytes.length !== GROUP_BLOCKS / 8) {
      throw new FsError('EIO', `Bitmap group ${groupIndex} has ${bytes.length} bytes`)
    }
    this.cover((groupIndex + 1) * GROUP_BLOCKS, bytes)
    this.mapped.loadGroup(groupIndex, bytes)
    this.used.loadGroup(groupIndex, bytes)
    this.used.set(0)
  }

  /**
   * Sets space aside, so that a later `allocate` of as many blocks cannot fail. Grows the volume
   * where needed. Throws FsError ENOSPC, and then nothing is set aside.
   */
  reserve(count: number): void {
    if (this.availableCount < count) this.grow(count - this.availableCount)
    this.reservedCount += count
  }

  unreserve(count: number): void {
    invariant(count <= this.reservedCount, 'no more is given back than was reserved')
    this.reservedCount -= count
  }

  /** Turns reserved space into at most `count` consecutive blocks; at least one. */
  allocate(count: number): Run {
    invariant(this.reservedCount > 0, 'blocks are reserved before they are allocated')
    const run = this.used.findRun(this.cursor, Math.min(count, this.reservedCount))
    invariant(run !== undefined, 'reserved blocks exist')
    this.used.setRun(run.start, run.count)
    this.reservedCount -= run.count
    this.cursor = run.start + run.count
    return run
  }

  /** Gives back blocks that no commit has ever referred to. */
  discard(run: Run): void {
    this.used.clearRun(run.start, run.count)
  }

  /** A commit maps a block. Idempotent, as recovery needs it. */
  map(block: BlockNo): void {
    if (block >= this.used.bitCount) this.growTo(block + 1)
    this.used.set(block)
    this.mapped.set(block)
    this.dirtyGroups.add(Math.floor(block / GROUP_BLOCKS))
  }

  /** Whether somebody means to map this block too, so that its content must stay. */
  isBorrowed(block: BlockNo): boolean {
    return this.borrowed.has(block)
  }

  /** Keeps a mapped block and its content until `giveBack`, whatever happens to its owner. */
  borrow(block: BlockNo): void {
    this.borrowed.set(block, (this.borrowed.get(block) ?? 0) + 1)
  }

  giveBack(block: BlockNo): void {
    const count = (this.borrowed.get(block) ?? 0) - 1
    invariant(count >= 0, 'a block is given back as often as it was borrowed')
    if (count > 0) {
      this.borrowed.set(block, count)
      return
    }
    this.borrowed.delete(block)
    if (this.kept.delete(block) && !this.mapped.has(block)) this.addFreed(block)
  }

  /** A commit no longer maps a block. */
  unmap(block: BlockNo): void {
    invariant(this.mapped.has(block), 'only a mapped block is unmapped')
    this.mapped.clear(block)
    this.dirtyGroups.add(Math.floor(block / GROUP_BLOCKS))
    if (this.borrowed.has(block)) this.kept.add(block)
    else this.addFreed(block)
  }

  private addFreed(block: BlockNo): void {
    this.freedBlocks++
    const last = this.freed.at(-1)
    if (last !== undefined && last.start + last.count === block) {
      this.freed[this.freed.length - 1] = { start: last.start, count: last.count + 1 }
    } else {
      this.freed.push({ start: block, count: 1 })
    }
  }

  /** Takes the changed groups for a checkpoint, and the blocks that its end will free. */
  capture(): IndexOp[] {
    invariant(this.releasing.length === 0, 'one checkpoint at a time frees blocks')
    this.releasing = this.freed
    this.freed = []
    this.freedBlocks = 0
    const operations = [...this.dirtyGroups].map((groupIndex): IndexOp => {
      const key = bitmapKey(groupIndex)
      return { type: 'put', key, value: sealValue(key, this.mapped.group(groupIndex)) }
    })
    this.dirtyGroups.clear()
    return operations
  }

  /**
   * The checkpoint is durable. Recovery knows nothing of who has borrowed a block, so one that its last
   * owner lost and a copy then got is listed as freed and mapped again.
   */
  release(): void {
    for (const { start, count } of this.releasing) {
      for (let block = start; block < start + count; block++) {
        if (!this.mapped.has(block)) this.used.clear(block)
      }
    }
    this.releasing = []
  }

  private grow(missing: number): void {
    try {
      this.growTo(this.used.bitCount + missing)
    } catch (error) {
      // A disk that fails is not a full one: nobody would look after it.
      if (!(error instanceof FsError && error.code === 'ENOSPC')) throw error
      throw new FsError('ENOSPC', 'No space left: the disk below cannot give more', {
        cause: error,
      })
    }
  }

  private growTo(blockCount: number): void {
    if (this.blocks.blockCount < blockCount) this.blocks.grow(blockCount)
    this.used.resize(this.blocks.blockCount)
    this.mapped.resize(this.blocks.blockCount)
  }

  /** A group may reach behind the last block, but only with zeros. */
  private cover(blockCount: number, bytes: Uint8Array): void {
    if (blockCount <= this.used.bitCount) return
    const lastByte = bytes.findLastIndex((byte) => byte !== 0)
    const base = blockCount - GROUP_BLOCKS
    const lastBits = 32 - Math.clz32(bytes[lastByte] ?? 0)
    const needed = lastByte < 0 ? 0 : base + lastByte * 8 + lastBits
    if (needed > this.used.bitCount) {
      throw new FsError('EIO', 'The allocation bitmap refers to blocks behind the end of the file')
    }
  }
}

function countOf(runs: readonly Run[]): number {
  return runs.reduce((total, run) => total + run.count, 0)
}
