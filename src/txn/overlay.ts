/**
 * What an older version of a file has where a newer one has something else, by file block: a block
 * of the disk that is kept for it, or a hole. Not on the disk: versions end with the daemon.
 */
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { LEAF_BLOCKS, Leaf } from '../store/leaf.ts'
import type { Store } from '../store/store.ts'

/** Stands for a hole; no block has this number. */
const HOLE = 0xffff_ffff

export interface OldBlock {
  /** 0 for a hole. */
  readonly block: BlockNo
  readonly checksum: number
}

export class Overlay {
  private readonly leaves = new Map<number, Leaf>()
  private readonly store: Store

  constructor(store: Store) {
    this.store = store
  }

  /** What is kept for a file block; undefined if nothing is. */
  find(fileBlock: number): OldBlock | undefined {
    const leaf = this.leaves.get(Math.floor(fileBlock / LEAF_BLOCKS))
    const block = leaf?.block(fileBlock % LEAF_BLOCKS) ?? 0
    if (block === 0) return undefined
    return block === HOLE
      ? { block: 0, checksum: 0 }
      : { block, checksum: leaf?.checksum(fileBlock % LEAF_BLOCKS) ?? 0 }
  }

  /** Keeps a block, and its content, unless something older is kept for the place already. */
  keep(fileBlock: number, { block, checksum }: OldBlock): void {
    const leafIndex = Math.floor(fileBlock / LEAF_BLOCKS)
    let leaf = this.leaves.get(leafIndex)
    if (leaf === undefined) {
      leaf = new Leaf()
      this.leaves.set(leafIndex, leaf)
    }
    const slot = fileBlock % LEAF_BLOCKS
    if (leaf.block(slot) !== 0) return
    if (block !== 0) this.store.allocator.borrow(block)
    leaf.set(slot, block === 0 ? HOLE : block, checksum)
  }

  leafIndexes(): Iterable<number> {
    return this.leaves.keys()
  }

  /** Hands everything over to an older version, which keeps what it needs up to an offset. */
  moveTo(older: Overlay, reach: number): void {
    for (const [fileBlock, old] of this.entries()) {
      if (fileBlock * BLOCK_SIZE < reach) older.keep(fileBlock, old)
    }
    this.drop()
  }

  /** Gives all blocks back. */
  drop(): void {
    for (const [, { block }] of this.entries()) if (block !== 0) this.store.giveBack(block)
    this.leaves.clear()
  }

  private *entries(): Generator<[fileBlock: number, old: OldBlock], void> {
    for (const [leafIndex, leaf] of this.leaves) {
      for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
        const block = leaf.block(slot)
        if (block === 0) continue
        const old = { block: block === HOLE ? 0 : block, checksum: leaf.checksum(slot) }
        yield [leafIndex * LEAF_BLOCKS + slot, old]
      }
    }
  }
}
