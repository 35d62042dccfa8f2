/**
 * Blocks in memory, by number; one that was never written reads as zeros. A stored block is never
 * changed, only replaced, so a copy of the map is a copy of the blocks.
 */
import { BLOCK_SIZE, type BlockNo } from './device.ts'

export type SparseBlocks = Map<BlockNo, Uint8Array>

export function readBlocks(blocks: SparseBlocks, block: BlockNo, target: Uint8Array): void {
  for (let at = 0; at < target.length; at += BLOCK_SIZE) {
    const stored = blocks.get(block + at / BLOCK_SIZE)
    if (stored === undefined) target.fill(0, at, at + BLOCK_SIZE)
    else target.set(stored, at)
  }
}

export function writeBlocks(blocks: SparseBlocks, block: BlockNo, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += BLOCK_SIZE) {
    blocks.set(block + at / BLOCK_SIZE, Uint8Array.from(data.subarray(at, at + BLOCK_SIZE)))
  }
}
