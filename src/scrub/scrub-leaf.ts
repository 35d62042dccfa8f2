/**
 * The blocks of one leaf, against its checksums, past the host's cache.
 *
 * While blocks are read, commits change maps, checkpoints write pages home, and freed blocks get new
 * owners. So a block that does not fit is read again between two looks at the map: only if the map
 * had the same block with the same checksum before and after, and its content does not wait in
 * memory, is the disk wrong. In the end everything is compared in one tick, in which nothing moves.
 */
import { crc32c } from '../crc32c.ts'
import { allocateAligned } from '../device/aligned-memory.ts'
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import { leafKey } from '../store/keys.ts'
import { LEAF_BLOCKS, type Leaf, decodeLeaf } from '../store/leaf.ts'
import { WRONG_CONTENT } from '../store/store.ts'
import { type ScrubParts, type Turns, mayMend } from './parts.ts'

const TRIES = 3

export interface LeafPlace {
  readonly ino: Ino
  readonly generation: number
  readonly leafIndex: number
}

interface Run {
  readonly slot: number
  readonly start: BlockNo
  readonly checksums: number[]
}

export class LeafScrub {
  private readonly parts: ScrubParts
  private readonly buffer = allocateAligned(LEAF_BLOCKS * BLOCK_SIZE)

  constructor(parts: ScrubParts) {
    this.parts = parts
  }

  /** The leaf as of now, without keeping it in memory. */
  current({ ino, generation, leafIndex }: LeafPlace): Leaf | 'damaged' | undefined {
    const { maps, metadata } = this.parts.engine.store
    const known = maps.peek(ino, generation, leafIndex)
    if (known !== undefined) return known
    try {
      const body = metadata.get(leafKey(ino, generation, leafIndex))
      return body === undefined ? undefined : decodeLeaf(body)
    } catch (error) {
      if (error instanceof FsError) return 'damaged'
      throw error
    }
  }

  async *scrub(place: LeafPlace): Turns {
    const leaf = this.current(place)
    if (leaf === undefined || leaf === 'damaged') return
    for (const run of runsOf(leaf)) {
      const data = this.buffer.subarray(0, run.checksums.length * BLOCK_SIZE)
      const isRead = await this.read(run.start, data)
      const suspects = run.checksums.flatMap((checksum, i) =>
        isRead && crc32c(data.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)) === checksum
          ? []
          : [run.slot + i],
      )
      for (const slot of suspects) await this.lookAgain(place, slot)
      yield data.length
    }
  }

  private async read(start: BlockNo, target: Uint8Array): Promise<boolean> {
    const { raw, superblock, engine } = this.parts
    if (start + target.length / BLOCK_SIZE > engine.store.device.blocks.blockCount) return false
    try {
      await raw.readBlocks(superblock.dataStart + start, target)
      return true
    } catch (error) {
      if (error instanceof FsError) return false
      throw error
    }
  }

  private async lookAgain(place: LeafPlace, slot: number): Promise<void> {
    const block = this.buffer.subarray(0, BLOCK_SIZE)
    for (let i = 0; i < TRIES; i++) {
      const before = this.mapped(place, slot)
      if (before === undefined) return
      const isRead = await this.read(before.block, block)
      if (isRead && crc32c(block) === before.checksum) return
      const after = this.mapped(place, slot)
      if (after?.block !== before.block || after.checksum !== before.checksum) continue
      await this.settle(place, slot, isRead)
      return
    }
  }

  /** Where the content should be; undefined when there is none, or memory has it for the next checkpoint. */
  private mapped(
    place: LeafPlace,
    slot: number,
  ): { readonly block: BlockNo; readonly checksum: number } | undefined {
    const leaf = this.current(place)
    if (leaf === undefined || leaf === 'damaged') return undefined
    const block = leaf.block(slot)
    if (block === 0 || this.parts.engine.store.blockInMemory(block) !== undefined) return undefined
    return { block, checksum: leaf.checksum(slot) }
  }

  /** In one tick: the disk is wrong. What the host still remembers of the block is written again. */
  private async settle(place: LeafPlace, slot: number, isRead: boolean): Promise<void> {
    const mapped = this.mapped(place, slot)
    if (mapped === undefined) return
    const { blocks } = this.parts.engine.store.device
    const content = this.remembered(mapped)
    let mended = false
    if (content !== undefined && mayMend(this.parts)) {
      try {
        blocks.write(mapped.block, content)
        await blocks.flush()
        mended = true
      } catch (error) {
        this.parts.engine.health.fail(error)
      }
    }
    const offset = (place.leafIndex * LEAF_BLOCKS + slot) * BLOCK_SIZE
    const what = `block ${mapped.block} ${isRead ? WRONG_CONTENT : 'cannot be read'}`
    this.parts.report({ ino: place.ino, offset, what, mended })
  }

  private remembered(mapped: { block: BlockNo; checksum: number }): Uint8Array | undefined {
    try {
      return this.parts.engine.store.readBlock(mapped.block, mapped.checksum)
    } catch (error) {
      if (error instanceof FsError) return undefined
      throw error
    }
  }
}

/** Consecutive blocks, as long as one read may be. */
function runsOf(leaf: Leaf): Run[] {
  const runs: Run[] = []
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (block === 0) continue
    const last = runs.at(-1)
    const length = last?.checksums.length ?? 0
    if (last !== undefined && last.slot + length === slot && last.start + length === block) {
      last.checksums.push(leaf.checksum(slot))
    } else {
      runs.push({ slot, start: block, checksums: [leaf.checksum(slot)] })
    }
  }
  return runs
}
