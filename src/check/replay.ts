/**
 * The ring's records on top of the index, in memory. It does what `Store.apply` does when a volume
 * is opened, but it relies on nothing: what does not fit together is left for the check to find.
 */
import type { BlockNo } from '../device/device.ts'
import type { Bitmap } from '../store/bitmap.ts'
import { leafKey, u64FromKey } from '../store/keys.ts'
import { LEAF_BLOCKS, Leaf, encodeLeaf } from '../store/leaf.ts'
import type { Op } from '../store/ops.ts'
import type { MapPlace } from '../store/commit-check.ts'

export class Replay {
  /** Bodies, or null for a deleted key. Leaves are among them once `finish` was called. */
  readonly values = new Map<string, Uint8Array | null>()
  /** Pages that are not at home yet. */
  readonly pages = new Map<BlockNo, Uint8Array>()
  /** Above all inodes of the records. */
  nextIno = 0
  private sortedKeys: readonly string[] = []
  private readonly leaves = new Map<string, Leaf>()
  private readonly loadLeaf: (key: string) => Leaf | undefined
  private readonly bitmap: Bitmap
  private readonly shares: Map<BlockNo, number>

  /** `bitmap` is changed along, and so is `shares`: how many owners more than one a block has. */
  constructor(
    bitmap: Bitmap,
    shares: Map<BlockNo, number>,
    loadLeaf: (key: string) => Leaf | undefined,
  ) {
    this.bitmap = bitmap
    this.shares = shares
    this.loadLeaf = loadLeaf
  }

  apply(op: Op): void {
    switch (op.type) {
      case 'put':
        this.values.set(op.key, op.body)
        if (op.key.startsWith('I')) this.nextIno = Math.max(this.nextIno, u64FromKey(op.key, 1) + 1)
        break
      case 'del':
        this.values.set(op.key, null)
        break
      case 'page':
        this.map(op, 0, op.block, op.checksum)
        this.pages.set(op.block, op.data)
        break
      case 'remap':
        for (const [i, checksum] of op.checksums.entries()) this.map(op, i, op.block + i, checksum)
        break
      case 'share':
        for (const [i, checksum] of op.checksums.entries()) {
          const block = op.block + i
          const isShared = this.bitmap.has(block)
          const old = this.map(op, i, block, checksum)
          if (isShared && old !== block) this.shares.set(block, (this.shares.get(block) ?? 0) + 1)
        }
        break
      case 'unmap':
        for (let i = 0; i < op.count; i++) this.free(this.set(op, i, 0, 0))
        break
      case 'drop': {
        const first = op.fileBlock - (op.fileBlock % LEAF_BLOCKS)
        const at = { ...op, fileBlock: first }
        for (let i = 0; i < LEAF_BLOCKS; i++) this.set(at, i, 0, 0)
        break
      }
      case 'move':
        for (const [i, checksum] of op.checksums.entries()) {
          const block = op.block + i
          this.set(op, i, block, checksum)
          if (block < this.bitmap.bitCount) this.bitmap.set(block)
        }
        break
      case 'vacate':
        for (let i = 0; i < op.count; i++) this.set(op, i, 0, 0)
        break
    }
  }

  /** Keys in `values` with `from <= key < to`, in order. Requires: `finish` was called. */
  keysBetween(from: string, to: string): readonly string[] {
    return this.sortedKeys.slice(this.firstFrom(from), this.firstFrom(to))
  }

  /** Establishes: `values` holds the leaves too. */
  finish(): void {
    for (const [key, leaf] of this.leaves) {
      this.values.set(key, leaf.mappedCount === 0 ? null : encodeLeaf(leaf))
    }
    this.leaves.clear()
    this.sortedKeys = [...this.values.keys()].toSorted()
  }

  private firstFrom(key: string): number {
    let low = 0
    let high = this.sortedKeys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.sortedKeys[middle] ?? key) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Returns the block that was there. */
  private map(place: MapPlace, index: number, block: BlockNo, checksum: number): BlockNo {
    const old = this.set(place, index, block, checksum)
    if (old === block) return old
    this.free(old)
    if (block < this.bitmap.bitCount) this.bitmap.set(block)
    return old
  }

  private free(block: BlockNo): void {
    if (block === 0) return
    const extra = this.shares.get(block) ?? 0
    if (extra > 0) {
      this.shares.set(block, extra - 1)
      return
    }
    this.bitmap.clear(block)
    this.pages.delete(block)
  }

  /** The block that a place of a map has by now; 0 for a hole. */
  blockAt({ ino, generation, fileBlock }: MapPlace): BlockNo {
    const key = leafKey(ino, generation, Math.floor(fileBlock / LEAF_BLOCKS))
    const leaf = this.leaves.get(key) ?? this.loadLeaf(key)
    if (leaf !== undefined) this.leaves.set(key, leaf)
    return leaf?.block(fileBlock % LEAF_BLOCKS) ?? 0
  }

  private set(place: MapPlace, index: number, block: BlockNo, checksum: number): BlockNo {
    const fileBlock = place.fileBlock + index
    const key = leafKey(place.ino, place.generation, Math.floor(fileBlock / LEAF_BLOCKS))
    let leaf = this.leaves.get(key)
    if (leaf === undefined) {
      leaf = this.loadLeaf(key)
      if (leaf === undefined && block === 0) return 0
      leaf ??= new Leaf()
      this.leaves.set(key, leaf)
    }
    return leaf.set(fileBlock % LEAF_BLOCKS, block, checksum)
  }
}
