/** The ring and the data blocks of a block file. */
import { FsError } from '../errors.ts'
import { allocateAligned, isAligned } from './aligned-memory.ts'
import type { Ballast } from './ballast.ts'
import type { BlockFile } from './block-file.ts'
import { blocksBounds, checkRead, checkWrite, ringBounds } from './bounds.ts'
import { BLOCK_SIZE, type BlockNo, type Blocks, type Ring } from './device.ts'
import type { VolumeLayout } from './layout.ts'

/** The data grows by this much, so that few of its flushes have a new file size to store. */
const GROW_BYTES = 64 * 1024 * 1024

/** Smaller reads go through the host's cache, and its reading ahead. */
const DIRECT_BYTES_MIN = 64 * 1024

/** Recovery reads the ring in order, and in large pieces it is quick. */
const WINDOW_BLOCKS = 256

/**
 * The ring. It is read past the host's cache: a record whose write has failed may still be there, and
 * recovery must not take it for stored. It would overwrite pages at home that nothing could restore
 * after the next crash.
 */
export class FileRing implements Ring {
  readonly blockCount: number
  readonly #file: BlockFile
  readonly #start: number
  /** What was read last and not written since. */
  #window: { readonly block: BlockNo; readonly data: Uint8Array } | undefined

  constructor(file: BlockFile, layout: VolumeLayout) {
    this.blockCount = layout.ringBlocks
    this.#file = file
    this.#start = layout.ringStart
  }

  read(block: BlockNo, target: Uint8Array): void {
    checkRead(ringBounds(this.blockCount), block, target)
    const count = target.length / BLOCK_SIZE
    const window = this.#windowWith(block, count) ?? this.#load(block, count)
    const from = (block - window.block) * BLOCK_SIZE
    target.set(window.data.subarray(from, from + target.length))
  }

  write(block: BlockNo, data: Uint8Array): void {
    checkWrite(ringBounds(this.blockCount), block, data)
    this.#window = undefined
    this.#file.write(this.#position(block), data)
  }

  async writeDurable(block: BlockNo, data: Uint8Array, mayBlock = false): Promise<void> {
    checkWrite(ringBounds(this.blockCount), block, data)
    this.#window = undefined
    if (mayBlock && this.#file.writeDurableNow(this.#position(block), data)) return
    await this.#file.writeDurable(this.#position(block), data)
  }

  async flush(mayBlock = false): Promise<void> {
    if (mayBlock) this.#file.flushNow()
    else await this.#file.flush()
  }

  #windowWith(block: BlockNo, count: number) {
    const window = this.#window
    if (window === undefined || block < window.block) return undefined
    const end = window.block + window.data.length / BLOCK_SIZE
    return block + count <= end ? window : undefined
  }

  #load(block: BlockNo, count: number) {
    const ahead = Math.min(Math.max(count, WINDOW_BLOCKS), this.blockCount - block)
    try {
      this.#window = this.#readStored(block, ahead)
    } catch (error) {
      // What cannot be read may lie behind what is asked for.
      if (ahead === count) throw error
      this.#window = this.#readStored(block, count)
    }
    return this.#window
  }

  #readStored(block: BlockNo, count: number) {
    const data = allocateAligned(count * BLOCK_SIZE)
    this.#file.readStored(this.#position(block), data)
    return { block, data }
  }

  #position(block: BlockNo): number {
    return (this.#start + block) * BLOCK_SIZE
  }
}

export class FileBlocks implements Blocks {
  readonly #file: BlockFile
  readonly #start: number
  readonly #ballast: Ballast
  #blockCount: number

  constructor(file: BlockFile, layout: VolumeLayout, ballast: Ballast) {
    this.#file = file
    this.#start = layout.dataStart
    this.#ballast = ballast
    this.#blockCount = Math.floor(file.sizeBytes() / BLOCK_SIZE) - layout.dataStart
  }

  get blockCount(): number {
    return this.#blockCount
  }

  read(block: BlockNo, target: Uint8Array): void {
    checkRead(blocksBounds(this.#blockCount), block, target)
    this.#file.read(this.#position(block), target)
  }

  async readAsync(block: BlockNo, target: Uint8Array): Promise<void> {
    checkRead(blocksBounds(this.#blockCount), block, target)
    // Nothing is read twice: the kernel has a cache of the mount.
    const isDirect = target.length >= DIRECT_BYTES_MIN && isAligned(target)
    const position = this.#position(block)
    await (isDirect
      ? this.#file.readDirect(position, target)
      : this.#file.readAsync(position, target))
  }

  write(block: BlockNo, data: Uint8Array): void {
    checkWrite(blocksBounds(this.#blockCount), block, data)
    this.#file.write(this.#position(block), data)
  }

  async writeDirect(block: BlockNo, data: Uint8Array): Promise<void> {
    checkWrite(blocksBounds(this.#blockCount), block, data)
    await this.#file.writeDirect(this.#position(block), data)
  }

  flush(): Promise<void> {
    return this.#file.flush()
  }

  grow(blockCount: number): void {
    if (blockCount <= this.#blockCount) return
    this.#ballast.tend()
    const freeBytes = this.#ballast.isReleased() ? 0 : this.#ballast.freeBytes()
    const neededBytes = (blockCount - this.#blockCount) * BLOCK_SIZE
    if (neededBytes > freeBytes) {
      throw new FsError(
        'ENOSPC',
        `Cannot extend "${this.#file.path}" by ${neededBytes} bytes: the host can give ${freeBytes}`,
      )
    }
    const stepBytes = Math.ceil(neededBytes / GROW_BYTES) * GROW_BYTES
    const grownBytes = stepBytes <= freeBytes ? stepBytes : neededBytes
    this.#file.extend(this.#position(this.#blockCount) + grownBytes)
    this.#blockCount += grownBytes / BLOCK_SIZE
  }

  hostFreeBytes(): number {
    return this.#ballast.freeBytes()
  }

  #position(block: BlockNo): number {
    return (this.#start + block) * BLOCK_SIZE
  }
}
