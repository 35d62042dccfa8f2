/** A device in memory: everything is durable at once, and gone with the process. */
import { FsError } from '../errors.ts'
import { blocksBounds, checkRead, checkSuperblock, checkWrite, ringBounds } from './bounds.ts'
import { BLOCK_SIZE, type BlockNo, type Blocks, type Device, type Ring } from './device.ts'
import { MemoryIndex } from './memory-index.ts'
import { readBlocks, writeBlocks, type SparseBlocks } from './sparse-blocks.ts'

const RING_BLOCK_COUNT = 64

/** Everything that a device holds, as plain data. The blocks and values in it are never changed. */
export interface DeviceImage {
  readonly ringBlockCount: number
  readonly ring: SparseBlocks
  readonly blockCount: number
  readonly blocks: SparseBlocks
  readonly superblocks: readonly [Uint8Array, Uint8Array]
  readonly index: ReadonlyMap<string, Uint8Array>
}

export interface MemoryDeviceOptions {
  /** What `grow` gives at most. */
  readonly blockCountMax?: number
}

/** What a volume is before anything was written to it. */
export function emptyImage(ringBlockCount = RING_BLOCK_COUNT): DeviceImage {
  return {
    ringBlockCount,
    ring: new Map(),
    blockCount: 1,
    blocks: new Map(),
    superblocks: [new Uint8Array(BLOCK_SIZE), new Uint8Array(BLOCK_SIZE)],
    index: new Map(),
  }
}

export class MemoryDevice implements Device {
  readonly ring: MemoryRing
  readonly blocks: MemoryBlocks
  readonly index: MemoryIndex
  #superblocks: readonly [Uint8Array, Uint8Array]

  constructor(image: DeviceImage = emptyImage(), options: MemoryDeviceOptions = {}) {
    this.ring = new MemoryRing(image)
    this.blocks = new MemoryBlocks(image, options.blockCountMax ?? 2 ** 32)
    this.index = new MemoryIndex(image.index)
    this.#superblocks = image.superblocks
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return Uint8Array.from(this.#superblocks[copy])
  }

  async writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void> {
    checkSuperblock(data)
    const [first, second] = this.#superblocks
    const stored = Uint8Array.from(data)
    this.#superblocks = copy === 0 ? [stored, second] : [first, stored]
  }

  /** What it holds now; later changes do not touch the image. */
  image(): DeviceImage {
    return {
      ...this.ring.image(),
      ...this.blocks.image(),
      superblocks: this.#superblocks,
      index: this.index.image(),
    }
  }

  async close(): Promise<void> {
    // There is nothing to release.
  }
}

class MemoryRing implements Ring {
  readonly blockCount: number
  readonly #stored: SparseBlocks

  constructor(image: DeviceImage) {
    this.blockCount = image.ringBlockCount
    this.#stored = new Map(image.ring)
  }

  read(block: BlockNo, target: Uint8Array): void {
    checkRead(ringBounds(this.blockCount), block, target)
    readBlocks(this.#stored, block, target)
  }

  write(block: BlockNo, data: Uint8Array): void {
    checkWrite(ringBounds(this.blockCount), block, data)
    writeBlocks(this.#stored, block, data)
  }

  async writeDurable(block: BlockNo, data: Uint8Array): Promise<void> {
    this.write(block, data)
  }

  async flush(): Promise<void> {
    // Memory has nothing behind it.
  }

  image(): Pick<DeviceImage, 'ring' | 'ringBlockCount'> {
    return { ringBlockCount: this.blockCount, ring: new Map(this.#stored) }
  }
}

class MemoryBlocks implements Blocks {
  readonly #stored: SparseBlocks
  readonly #blockCountMax: number
  #blockCount: number

  constructor(image: DeviceImage, blockCountMax: number) {
    this.#stored = new Map(image.blocks)
    this.#blockCount = image.blockCount
    this.#blockCountMax = blockCountMax
  }

  get blockCount(): number {
    return this.#blockCount
  }

  read(block: BlockNo, target: Uint8Array): void {
    checkRead(blocksBounds(this.#blockCount), block, target)
    readBlocks(this.#stored, block, target)
  }

  async readAsync(block: BlockNo, target: Uint8Array): Promise<void> {
    this.read(block, target)
  }

  write(block: BlockNo, data: Uint8Array): void {
    checkWrite(blocksBounds(this.#blockCount), block, data)
    writeBlocks(this.#stored, block, data)
  }

  async writeDirect(block: BlockNo, data: Uint8Array): Promise<void> {
    this.write(block, data)
  }

  async flush(): Promise<void> {
    // Memory has nothing behind it.
  }

  grow(blockCount: number): void {
    if (blockCount > this.#blockCountMax) {
      throw new FsError(
        'ENOSPC',
        `Cannot grow to ${blockCount} blocks: ${this.#blockCountMax} is the most`,
      )
    }
    this.#blockCount = Math.max(this.#blockCount, blockCount)
  }

  hostFreeBytes(): number {
    return (this.#blockCountMax - this.#blockCount) * BLOCK_SIZE
  }

  image(): Pick<DeviceImage, 'blockCount' | 'blocks'> {
    return { blockCount: this.#blockCount, blocks: new Map(this.#stored) }
  }
}
