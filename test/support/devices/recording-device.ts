/**
 * A device in memory that remembers every call, so that crashes can be tried afterwards. Its
 * asynchronous calls end in a later tick, in an order that the random source shuffles, and store
 * their data only then.
 */
import { setImmediate as nextTick } from 'node:timers/promises'
import { invariant } from '../../../src/errors.ts'
import {
  checkSuperblock,
  checkWrite,
  ringBounds,
  blocksBounds,
} from '../../../src/device/bounds.ts'
import type {
  BlockNo,
  Blocks,
  Device,
  Index,
  IndexOp,
  IndexPage,
  Ring,
} from '../../../src/device/device.ts'
import { emptyImage, MemoryDevice } from '../../../src/device/memory-device.ts'
import { OneBatch } from '../../../src/device/one-batch.ts'
import type { Random } from '../random.ts'
import { cachedImage } from './crash-images.ts'
import type { AsyncCall, DeviceEvent, DeviceLog, Part } from './device-log.ts'
import { DiskState } from './disk-state.ts'

/** An asynchronous call takes up to so many turns of the event loop. */
const TURN_COUNT_MAX = 4

export interface RecordingOptions {
  /** Makes the calls take different times; without it each takes one turn. */
  readonly random?: Random
  readonly blockCountMax?: number
}

export class RecordingDevice implements Device {
  readonly ring: Ring
  readonly blocks: Blocks
  readonly index: Index
  readonly #recorder: Recorder
  readonly #live: MemoryDevice

  constructor(start: DiskState = DiskState.of(emptyImage()), options: RecordingOptions = {}) {
    const { blockCountMax } = options
    this.#live = new MemoryDevice(
      cachedImage(start),
      blockCountMax === undefined ? {} : { blockCountMax },
    )
    this.#recorder = new Recorder(start, options.random)
    this.ring = new RecordingRing(this.#live.ring, this.#recorder)
    this.blocks = new RecordingBlocks(this.#live.blocks, this.#recorder)
    this.index = new RecordingIndex(this.#live.index, this.#recorder)
  }

  /** All that has happened so far; grows with each call. */
  get log(): DeviceLog {
    return this.#recorder
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return this.#live.readSuperblock(copy)
  }

  async writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void> {
    checkSuperblock(data)
    await this.#recorder.runWrite('durable', 'superblock', copy, data)
    await this.#live.writeSuperblock(copy, data)
  }

  async close(): Promise<void> {
    await this.#live.close()
  }
}

class Recorder implements DeviceLog {
  readonly start: DiskState
  readonly events: DeviceEvent[] = []
  readonly #random: Random | undefined

  constructor(start: DiskState, random: Random | undefined) {
    this.start = start.clone()
    this.#random = random
  }

  write(part: Part, block: BlockNo, data: Uint8Array): void {
    this.events.push({ type: 'write', part, block, data: Uint8Array.from(data) })
  }

  async runWrite(
    type: 'durable' | 'direct',
    part: Part,
    block: BlockNo,
    data: Uint8Array,
  ): Promise<void> {
    const stored = Uint8Array.from(data)
    await this.run({ type, part, block, data: stored })
    invariant(Buffer.compare(stored, data) === 0, 'data is left alone while it is being written')
  }

  async run(call: AsyncCall): Promise<void> {
    const start = this.events.push({ type: 'start', call }) - 1
    const turns = this.#random === undefined ? 1 : 1 + this.#random.int(TURN_COUNT_MAX)
    for (let turn = 0; turn < turns; turn++) await nextTick()
    this.events.push({ type: 'end', start, call })
  }
}

class RecordingRing implements Ring {
  readonly blockCount: number
  readonly #live: Ring
  readonly #recorder: Recorder

  constructor(live: Ring, recorder: Recorder) {
    this.blockCount = live.blockCount
    this.#live = live
    this.#recorder = recorder
  }

  read(block: BlockNo, target: Uint8Array): void {
    this.#live.read(block, target)
  }

  write(block: BlockNo, data: Uint8Array): void {
    this.#live.write(block, data)
    this.#recorder.write('ring', block, data)
  }

  async writeDurable(block: BlockNo, data: Uint8Array): Promise<void> {
    checkWrite(ringBounds(this.blockCount), block, data)
    await this.#recorder.runWrite('durable', 'ring', block, data)
    await this.#live.writeDurable(block, data)
  }

  async flush(): Promise<void> {
    await this.#recorder.run({ type: 'flush', part: 'ring' })
  }
}

class RecordingBlocks implements Blocks {
  readonly #live: Blocks
  readonly #recorder: Recorder

  constructor(live: Blocks, recorder: Recorder) {
    this.#live = live
    this.#recorder = recorder
  }

  get blockCount(): number {
    return this.#live.blockCount
  }

  read(block: BlockNo, target: Uint8Array): void {
    this.#live.read(block, target)
  }

  async readAsync(block: BlockNo, target: Uint8Array): Promise<void> {
    await nextTick()
    this.#live.read(block, target)
  }

  write(block: BlockNo, data: Uint8Array): void {
    this.#live.write(block, data)
    this.#recorder.write('blocks', block, data)
  }

  async writeDirect(block: BlockNo, data: Uint8Array): Promise<void> {
    checkWrite(blocksBounds(this.blockCount), block, data)
    await this.#recorder.runWrite('direct', 'blocks', block, data)
    await this.#live.writeDirect(block, data)
  }

  async flush(): Promise<void> {
    await this.#recorder.run({ type: 'flush', part: 'blocks' })
  }

  grow(blockCount: number): void {
    this.#live.grow(blockCount)
    this.#recorder.events.push({ type: 'grow', blockCount: this.blockCount })
  }

  hostFreeBytes(): number {
    return this.#live.hostFreeBytes()
  }
}

class RecordingIndex implements Index {
  readonly #live: Index
  readonly #recorder: Recorder
  readonly #oneBatch = new OneBatch()

  constructor(live: Index, recorder: Recorder) {
    this.#live = live
    this.#recorder = recorder
  }

  get hasSpace(): boolean {
    return this.#live.hasSpace
  }

  get(key: string): Uint8Array | undefined {
    return this.#live.get(key)
  }

  pages(from: string, to: string): AsyncIterable<IndexPage> {
    return this.#live.pages(from, to)
  }

  async batch(operations: readonly IndexOp[]): Promise<void> {
    await this.#oneBatch.run(async () => {
      const kept = operations.map(copyOf)
      await this.#recorder.run({ type: 'batch', operations: kept })
      await this.#live.batch(kept)
    })
  }
}

function copyOf(operation: IndexOp): IndexOp {
  if (operation.type === 'del') return operation
  return { ...operation, value: Uint8Array.from(operation.value) }
}
