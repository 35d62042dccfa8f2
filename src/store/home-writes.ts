/**
 * Committed pages that are in the ring but not yet at home in their blocks, by block. Reads look
 * here before they look at the disk; a checkpoint takes them, writes them home, and drops them.
 */
import type { BlockNo } from '../device/device.ts'
import { invariant } from '../errors.ts'

export class HomeWrites {
  private pending = new Map<BlockNo, Uint8Array>()
  private captured = new Map<BlockNo, Uint8Array>()

  get pendingCount(): number {
    return this.pending.size
  }

  get(block: BlockNo): Uint8Array | undefined {
    return this.pending.get(block) ?? this.captured.get(block)
  }

  set(block: BlockNo, data: Uint8Array): void {
    this.pending.set(block, data)
  }

  /** The block was freed; whatever it held is of no use any more. */
  drop(block: BlockNo): void {
    this.pending.delete(block)
    this.captured.delete(block)
  }

  /** Takes what is pending for a checkpoint, in the order of the disk. */
  capture(): [block: BlockNo, data: Uint8Array][] {
    invariant(this.captured.size === 0, 'one checkpoint at a time writes home')
    this.captured = this.pending
    this.pending = new Map()
    return [...this.captured].toSorted(([a], [b]) => a - b)
  }

  /** What was captured is at home, durably, and so are the maps that refer to it. */
  release(): void {
    this.captured = new Map()
  }
}
