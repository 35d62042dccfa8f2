/** F25, F26: the content of files against the checksums of their maps. */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import { LEAF_BLOCKS, type Leaf } from '../store/leaf.ts'
import type { VolumeView } from './volume-view.ts'

export interface CheckedLeaf {
  readonly leaf: Leaf
  readonly ino: Ino
  readonly leafIndex: number
  /** Of the file, in bytes. */
  readonly size: number
}

export class DataCheck {
  blockCount = 0
  private readonly view: VolumeView
  private readonly buffer = Buffer.allocUnsafeSlow(LEAF_BLOCKS * BLOCK_SIZE)

  constructor(view: VolumeView) {
    this.view = view
  }

  async checkLeaf(checked: CheckedLeaf): Promise<void> {
    for (const { slot, count } of diskRuns(this.view, checked.leaf)) {
      const start = checked.leaf.block(slot)
      const target = this.buffer.subarray(0, count * BLOCK_SIZE)
      const isRead = await this.read(start, target)
      for (let i = 0; i < count; i++) {
        const block = target.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)
        if (isRead || (await this.read(start + i, block))) this.verify(checked, slot + i, block)
        else this.report(checked, slot + i, 'cannot be read')
      }
    }
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const page = this.view.page(checked.leaf.block(slot))
      if (page !== undefined) this.verify(checked, slot, page)
    }
  }

  private async read(start: BlockNo, target: Uint8Array): Promise<boolean> {
    try {
      await this.view.device.blocks.readAsync(start, target)
      return true
    } catch (error) {
      if (error instanceof FsError) return false
      throw error
    }
  }

  private verify(checked: CheckedLeaf, slot: number, content: Uint8Array): void {
    this.blockCount++
    if (crc32c(content) !== checked.leaf.checksum(slot)) {
      this.report(checked, slot, 'does not have the content that was stored')
      return
    }
    const offset = (checked.leafIndex * LEAF_BLOCKS + slot) * BLOCK_SIZE
    const length = checked.size - offset
    if (length <= 0 || length >= BLOCK_SIZE) return
    if (content.subarray(length).some((byte) => byte !== 0)) {
      const text = `its last block does not end in zeros behind byte ${checked.size}`
      this.view.sink('F26', 'error', text, checked.ino)
    }
  }

  private report({ leaf, leafIndex, ino }: CheckedLeaf, slot: number, what: string): void {
    const offset = (leafIndex * LEAF_BLOCKS + slot) * BLOCK_SIZE
    this.view.sink('F25', 'error', `offset ${offset}: block ${leaf.block(slot)} ${what}`, ino)
  }
}

/** Consecutive blocks that are at home and within the file. */
function diskRuns(view: VolumeView, leaf: Leaf): { slot: number; count: number }[] {
  const runs: { slot: number; count: number }[] = []
  const { blockCount } = view.device.blocks
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (block === 0 || block >= blockCount || view.page(block) !== undefined) continue
    const last = runs.at(-1)
    const isNext =
      last !== undefined &&
      last.slot + last.count === slot &&
      leaf.block(last.slot) + last.count === block
    if (isNext) last.count++
    else runs.push({ slot, count: 1 })
  }
  return runs
}
