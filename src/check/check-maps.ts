/**
 * F17 to F21: the extent maps. A leaf of a pending generation may have a block that the file's own
 * generation has at the same place; it belongs to the latter then.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { Bitmap } from '../store/bitmap.ts'
import type { Ino } from '../store/inode.ts'
import { isWellFormed, leafKey, u32FromKey, u64FromKey } from '../store/keys.ts'
import { LEAF_BLOCKS, type Leaf, decodeLeaf } from '../store/leaf.ts'
import type { PendingMaps } from './check-keys.ts'
import type { InvariantNumber } from './invariants.ts'
import { COLUMN, type InodeTable } from './inode-table.ts'
import type { VolumeView } from './volume-view.ts'

/** Doubly mapped blocks whose owners are looked for. */
const DOUBLES_MAX = 1000

/** A leaf with its place. */
export interface PlacedLeaf {
  readonly leaf: Leaf
  readonly ino: Ino
  readonly row: number | undefined
  readonly generation: number
  readonly leafIndex: number
}

export async function* leavesOf(
  view: VolumeView,
  table: InodeTable,
): AsyncGenerator<PlacedLeaf, void> {
  for await (const { key, body } of view.entries('E')) {
    if (!isWellFormed(key)) continue
    const leaf = view.decode(key, body, decodeLeaf)
    if (leaf === undefined) continue
    const ino = u64FromKey(key, 1)
    const at = { generation: u32FromKey(key, 9), leafIndex: u32FromKey(key, 13) }
    yield { leaf, ino, row: table.find(ino), ...at }
  }
}

export class MapCheck {
  /** All blocks that some map has. */
  readonly mapped: Bitmap
  private readonly view: VolumeView
  private readonly table: InodeTable
  private readonly pending: PendingMaps
  /** How often blocks are mapped beyond the first time. */
  private readonly extra = new Map<number, number>()

  constructor(view: VolumeView, table: InodeTable, pending: PendingMaps) {
    this.view = view
    this.table = table
    this.pending = pending
    this.mapped = new Bitmap(view.device.blocks.blockCount)
  }

  /** Whether the leaf is of its file's own generation. */
  isOwn({ row, generation }: PlacedLeaf): boolean {
    return row !== undefined && this.table.get(row, COLUMN.generation) === generation
  }

  add(placed: PlacedLeaf): void {
    const { ino, row, generation } = placed
    const isOwn = this.isOwn(placed)
    if (row === undefined || (!isOwn && this.pending.get(ino)?.includes(generation) !== true)) {
      const what = row === undefined ? 'does not exist' : 'does not have this generation'
      this.view.sink('F17', 'error', `${what}: ${placeOf(placed)}`, ino)
    }
    if (row !== undefined && isOwn) {
      this.table.increment(row, COLUMN.mapped, placed.leaf.mappedCount)
      this.checkEnd(placed, this.table.get(row, COLUMN.size))
    }
    this.claimBlocks(placed, isOwn ? undefined : this.ownLeaf(placed))
  }

  /** Requires: every leaf was added. */
  async finish(): Promise<void> {
    for (let row = 0; row < this.table.rowCount; row++) {
      const said = this.table.get(row, COLUMN.blockCount)
      const counted = this.table.get(row, COLUMN.mapped)
      // An orphan may be half freed.
      if (said === counted || this.table.get(row, COLUMN.nlink) === 0) continue
      const ino = this.table.get(row, COLUMN.ino)
      this.view.sink('F18', 'error', `maps ${counted} blocks, and says ${said}`, ino)
    }
    await this.checkOwners()
  }

  private ownLeaf({ row, ino, leafIndex }: PlacedLeaf): Leaf | undefined {
    if (row === undefined) return undefined
    return this.view.leaf(leafKey(ino, this.table.get(row, COLUMN.generation), leafIndex))
  }

  private checkEnd(placed: PlacedLeaf, size: number): void {
    const endBlock = Math.ceil(size / BLOCK_SIZE)
    const behind = slotsOf(placed, (slot) => fileBlockOf(placed, slot) >= endBlock)
    this.report('F21', placed, behind, `behind its end at ${size}`)
  }

  private claimBlocks(placed: PlacedLeaf, own: Leaf | undefined): void {
    const { leaf } = placed
    const { blockCount } = this.view.device.blocks
    const outside = slotsOf(placed, (slot) => leaf.block(slot) >= blockCount)
    this.report('F19', placed, outside, 'behind the end of the block file')
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const block = leaf.block(slot)
      if (block === 0 || block >= blockCount || own?.block(slot) === block) continue
      if (this.mapped.has(block)) this.extra.set(block, (this.extra.get(block) ?? 0) + 1)
      else this.mapped.set(block)
    }
  }

  private report(
    invariant: InvariantNumber,
    placed: PlacedLeaf,
    slots: readonly number[],
    where: string,
  ): void {
    const [first] = slots
    if (first === undefined) return
    const block = `block ${placed.leaf.block(first)} at offset ${offsetOf(placed, first)}`
    const more = slots.length > 1 ? ` and ${slots.length - 1} more from there on` : ''
    this.view.sink(invariant, 'error', `maps ${block}${more}, ${where}`, placed.ino)
  }

  private async checkOwners(): Promise<void> {
    const { shares, sink } = this.view
    const doubles = new Map<number, string[]>()
    for (const [block, found] of this.extra) {
      if (found > (shares.get(block) ?? 0) && doubles.size < DOUBLES_MAX) doubles.set(block, [])
    }
    for (const [block, said] of shares) {
      // Who maps what is not there has a finding of its own.
      if (block >= this.mapped.bitCount) continue
      const found = this.extra.get(block) ?? 0
      if (said > found) {
        sink(
          'F20',
          'warning',
          `block ${block} has ${found + 1} owners, and ${said + 1} are counted`,
        )
      }
    }
    if (doubles.size > 0) await this.reportDoubles(doubles)
  }

  /** Who has the blocks that too many have is found by looking again. */
  private async reportDoubles(doubles: ReadonlyMap<number, string[]>): Promise<void> {
    for await (const placed of leavesOf(this.view, this.table)) {
      for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
        const owners = doubles.get(placed.leaf.block(slot))
        const place = `inode ${placed.ino}, generation ${placed.generation}`
        owners?.push(`${place}, offset ${offsetOf(placed, slot)}`)
      }
    }
    for (const [block, owners] of doubles) {
      this.view.sink('F20', 'error', `block ${block} is mapped by ${owners.join('; ')}`)
    }
  }
}

function fileBlockOf({ leafIndex }: PlacedLeaf, slot: number): number {
  return leafIndex * LEAF_BLOCKS + slot
}

function offsetOf(placed: PlacedLeaf, slot: number): number {
  return fileBlockOf(placed, slot) * BLOCK_SIZE
}

/** Mapped slots for which something is so. */
function slotsOf({ leaf }: PlacedLeaf, isSo: (slot: number) => boolean): number[] {
  const slots: number[] = []
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    if (leaf.block(slot) !== 0 && isSo(slot)) slots.push(slot)
  }
  return slots
}

function placeOf({ leafIndex, generation }: PlacedLeaf): string {
  return `a map of blocks from ${leafIndex * LEAF_BLOCKS} on, generation ${generation}`
}
