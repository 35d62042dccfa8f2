/**
 * Holds any device to the rules of its contract, in one place:
 *
 *   - after a failed write, flush or batch nothing more is written and no flush succeeds, whoever
 *     has swallowed the error: nobody knows what is on the disk, and a host that was asked again
 *     would report success for pages that it has dropped (Rebello et al., ATC '20);
 *   - an asynchronous call that the disk does not answer is given up at some time. For a change
 *     that is a failure like any other; for a read it is the error of that read alone.
 *
 * A call that keeps the event loop cannot be given up from here: `session/watchdog.ts` sees to that.
 */
import { FsError } from '../errors.ts'
import { CallsUnderWay } from './calls-under-way.ts'
import type { BlockNo, Blocks, Device, Index, IndexOp, IndexPage, Ring } from './device.ts'
import { Guard } from './guard.ts'

export class GuardedDevice implements Device {
  readonly ring: Ring
  readonly blocks: Blocks
  readonly index: Index
  readonly #device: Device
  readonly #guard: Guard

  constructor(device: Device, calls: CallsUnderWay = new CallsUnderWay()) {
    this.#device = device
    this.#guard = new Guard(calls)
    this.ring = new GuardedRing(device.ring, this.#guard)
    this.blocks = new GuardedBlocks(device.blocks, this.#guard)
    this.index = new GuardedIndex(device.index, this.#guard)
  }

  /** Told of the first failure of a change, at once if there was one already. */
  onFailure(listener: (error: unknown) => void): void {
    this.#guard.onFailure(listener)
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return this.#device.readSuperblock(copy)
  }

  async writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void> {
    const write = (): Promise<void> => this.#device.writeSuperblock(copy, data)
    await this.#guard.change('write the superblock', write)
  }

  /**
   * Throws FsError EIO when a call was given up that has not returned: what it uses cannot be
   * closed, and only the end of the process lets go of it.
   */
  async close(): Promise<void> {
    await this.#guard.close(() => this.#device.close())
  }
}

/** `grow` throws it when nothing has changed. */
const isFull = (error: unknown): boolean => error instanceof FsError && error.code === 'ENOSPC'

class GuardedRing implements Ring {
  readonly blockCount: number
  readonly #ring: Ring
  readonly #guard: Guard

  constructor(ring: Ring, guard: Guard) {
    this.blockCount = ring.blockCount
    this.#ring = ring
    this.#guard = guard
  }

  read(block: BlockNo, target: Uint8Array): void {
    this.#ring.read(block, target)
  }

  write(block: BlockNo, data: Uint8Array): void {
    const write = (): void => {
      this.#ring.write(block, data)
    }
    this.#guard.changeNow('write the journal', write)
  }

  writeDurable(block: BlockNo, data: Uint8Array, mayBlock?: boolean): Promise<void> {
    const write = (): Promise<void> => this.#ring.writeDurable(block, data, mayBlock)
    return this.#guard.change('write the journal', write)
  }

  flush(mayBlock?: boolean): Promise<void> {
    return this.#guard.change('flush the journal', () => this.#ring.flush(mayBlock))
  }
}

class GuardedBlocks implements Blocks {
  readonly #blocks: Blocks
  readonly #guard: Guard

  constructor(blocks: Blocks, guard: Guard) {
    this.#blocks = blocks
    this.#guard = guard
  }

  get blockCount(): number {
    return this.#blocks.blockCount
  }

  read(block: BlockNo, target: Uint8Array): void {
    this.#blocks.read(block, target)
  }

  readAsync(block: BlockNo, target: Uint8Array): Promise<void> {
    return this.#guard.read('read file data', () => this.#blocks.readAsync(block, target))
  }

  write(block: BlockNo, data: Uint8Array): void {
    const write = (): void => {
      this.#blocks.write(block, data)
    }
    this.#guard.changeNow('write file data', write)
  }

  writeDirect(block: BlockNo, data: Uint8Array): Promise<void> {
    return this.#guard.change('write file data', () => this.#blocks.writeDirect(block, data))
  }

  flush(): Promise<void> {
    return this.#guard.change('flush file data', () => this.#blocks.flush())
  }

  grow(blockCount: number): void {
    const grow = (): void => {
      this.#blocks.grow(blockCount)
    }
    this.#guard.changeNow('extend the volume', grow, isFull)
  }

  hostFreeBytes(): number {
    return this.#blocks.hostFreeBytes()
  }
}

class GuardedIndex implements Index {
  readonly #index: Index
  readonly #guard: Guard

  constructor(index: Index, guard: Guard) {
    this.#index = index
    this.#guard = guard
  }

  get hasSpace(): boolean {
    return this.#index.hasSpace
  }

  get(key: string): Uint8Array | undefined {
    return this.#index.get(key)
  }

  pages(from: string, to: string): AsyncIterable<IndexPage> {
    // Made here, not at the first step: it shows the index as of now.
    return this.#guard.readEach('read the index', this.#index.pages(from, to))
  }

  batch(operations: readonly IndexOp[]): Promise<void> {
    return this.#guard.change('write the index', () => this.#index.batch(operations))
  }
}
