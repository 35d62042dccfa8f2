/** A device that counts its calls and lets chosen ones fail. */
import { FsError, invariant } from '../../../src/errors.ts'
import { BLOCK_SIZE } from '../../../src/device/device.ts'
import type {
  BlockNo,
  Blocks,
  Device,
  Index,
  IndexOp,
  IndexPage,
  Ring,
} from '../../../src/device/device.ts'
import { OneBatch } from '../../../src/device/one-batch.ts'

export type CallKind =
  | 'ring.read'
  | 'ring.write'
  | 'ring.writeDurable'
  | 'ring.flush'
  | 'blocks.read'
  | 'blocks.readAsync'
  | 'blocks.write'
  | 'blocks.writeDirect'
  | 'blocks.flush'
  | 'blocks.grow'
  | 'index.get'
  | 'index.range'
  | 'index.batch'
  | 'superblock.read'
  | 'superblock.write'

export interface Fault {
  /** The kind that fails; `any` counts all kinds together. */
  readonly kind: CallKind | 'any'
  /** Which call of that kind fails, from 0. */
  readonly call: number
  /**
   * `short` stores or lists a part, or stores all of an index batch, and then fails with EIO; `hang`
   * never settles, and is for asynchronous calls.
   */
  readonly result: 'EIO' | 'ENOSPC' | 'short' | 'hang'
  /** Lets every later call of the kind fail too. */
  readonly isLasting?: boolean
}

export class FaultyDevice implements Device {
  readonly ring: Ring
  readonly blocks: Blocks
  readonly index: Index
  readonly #device: Device
  readonly #faults: Faults

  constructor(device: Device, faults: readonly Fault[] = []) {
    this.#device = device
    this.#faults = new Faults(faults)
    this.ring = new FaultyRing(device.ring, this.#faults)
    this.blocks = new FaultyBlocks(device.blocks, this.#faults)
    this.index = new FaultyIndex(device.index, this.#faults)
  }

  /** The kinds of all calls so far, in order. */
  get trace(): readonly CallKind[] {
    return this.#faults.trace
  }

  /** The kind of the call that failed first. */
  get struck(): CallKind | undefined {
    return this.#faults.struck
  }

  /** Called when a call begins to hang. */
  set onHang(listener: () => void) {
    this.#faults.onHang = listener
  }

  /** Calls so far, failed ones included. */
  callCount(kind: CallKind | 'any'): number {
    return this.#faults.callCount(kind)
  }

  /** Whether a fault has struck. */
  get hasFailed(): boolean {
    return this.#faults.failedCount > 0
  }

  /** Adds a fault; its calls are counted from now on. */
  failNext(fault: Omit<Fault, 'call'>, after = 0): void {
    this.#faults.add({ ...fault, call: this.callCount(fault.kind) + after })
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    this.#faults.strike('superblock.read')
    return this.#device.readSuperblock(copy)
  }

  async writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void> {
    const store = (block: Uint8Array) => this.#device.writeSuperblock(copy, block)
    await this.#faults.run(
      'superblock.write',
      () => store(data),
      () => {
        const torn = this.#device.readSuperblock(copy)
        torn.set(data.subarray(0, BLOCK_SIZE / 2))
        return store(torn)
      },
    )
  }

  async close(): Promise<void> {
    await this.#device.close()
  }
}

class Faults {
  readonly #faults: Fault[]
  readonly #counts = new Map<CallKind | 'any', number>()
  readonly trace: CallKind[] = []
  struck: CallKind | undefined
  failedCount = 0
  onHang: () => void = () => undefined

  constructor(faults: readonly Fault[]) {
    this.#faults = [...faults]
  }

  add(fault: Fault): void {
    this.#faults.push(fault)
  }

  callCount(kind: CallKind | 'any'): number {
    return this.#counts.get(kind) ?? 0
  }

  /** Counts a call; throws when it is to fail, after `storePart` if it is to be short. */
  strike(kind: CallKind, storePart?: () => void): void {
    const fault = this.next(kind)
    if (fault === undefined) return
    invariant(fault.result !== 'hang', `${kind} keeps the event loop, so the test would hang`)
    if (fault.result === 'short') storePart?.()
    throw errorOf(fault, kind)
  }

  /** The same for an asynchronous call, which begins in this very turn if it does not fail. */
  async run<Value>(
    kind: CallKind,
    call: () => Promise<Value>,
    storePart?: () => Promise<void>,
  ): Promise<Value> {
    const fault = this.next(kind)
    if (fault === undefined) return call()
    if (fault.result === 'hang') return this.#hang()
    if (fault.result === 'short') await storePart?.()
    throw errorOf(fault, kind)
  }

  /** Lists entries; may fail at the first step, after it, or hang there. */
  async *list<Item>(kind: CallKind, items: AsyncIterable<Item>, fault?: Fault) {
    if (fault?.result === 'hang') await this.#hang()
    for await (const item of items) {
      yield item
      if (fault !== undefined) break
    }
    if (fault !== undefined) throw errorOf(fault, kind)
  }

  #hang(): Promise<never> {
    this.onHang()
    return new Promise(() => undefined)
  }

  /** Counts a call; the fault if it is to fail. */
  next(kind: CallKind): Fault | undefined {
    const fault = this.#faults.find((candidate) => {
      if (candidate.kind !== kind && candidate.kind !== 'any') return false
      const call = this.callCount(candidate.kind)
      return call === candidate.call || (candidate.isLasting === true && call > candidate.call)
    })
    for (const counted of [kind, 'any'] as const)
      this.#counts.set(counted, this.callCount(counted) + 1)
    this.trace.push(kind)
    if (fault === undefined) return undefined
    this.failedCount += 1
    this.struck ??= kind
    return fault
  }
}

function errorOf(fault: Fault, kind: CallKind): FsError {
  const code = fault.result === 'ENOSPC' ? 'ENOSPC' : 'EIO'
  return new FsError(code, `Cannot ${kind}: fault on demand`)
}

/** The first half of a write, at half a block if it is one block. */
function firstHalf(part: Ring | Blocks, block: BlockNo, data: Uint8Array): Uint8Array {
  const half = data.length / 2
  const end = Math.ceil(half / BLOCK_SIZE) * BLOCK_SIZE
  const stored = new Uint8Array(end)
  part.read(block, stored)
  stored.set(data.subarray(0, half))
  return stored
}

class FaultyRing implements Ring {
  readonly blockCount: number
  readonly #ring: Ring
  readonly #faults: Faults

  constructor(ring: Ring, faults: Faults) {
    this.blockCount = ring.blockCount
    this.#ring = ring
    this.#faults = faults
  }

  read(block: BlockNo, target: Uint8Array): void {
    this.#faults.strike('ring.read')
    this.#ring.read(block, target)
  }

  write(block: BlockNo, data: Uint8Array): void {
    this.#faults.strike('ring.write', () => {
      this.#ring.write(block, firstHalf(this.#ring, block, data))
    })
    this.#ring.write(block, data)
  }

  async writeDurable(block: BlockNo, data: Uint8Array, mayBlock?: boolean): Promise<void> {
    await this.#faults.run(
      'ring.writeDurable',
      () => this.#ring.writeDurable(block, data, mayBlock),
      async () => {
        this.#ring.write(block, firstHalf(this.#ring, block, data))
      },
    )
  }

  async flush(mayBlock?: boolean): Promise<void> {
    await this.#faults.run('ring.flush', () => this.#ring.flush(mayBlock))
  }
}

class FaultyBlocks implements Blocks {
  readonly #blocks: Blocks
  readonly #faults: Faults

  constructor(blocks: Blocks, faults: Faults) {
    this.#blocks = blocks
    this.#faults = faults
  }

  get blockCount(): number {
    return this.#blocks.blockCount
  }

  read(block: BlockNo, target: Uint8Array): void {
    this.#faults.strike('blocks.read')
    this.#blocks.read(block, target)
  }

  async readAsync(block: BlockNo, target: Uint8Array): Promise<void> {
    await this.#faults.run('blocks.readAsync', () => this.#blocks.readAsync(block, target))
  }

  write(block: BlockNo, data: Uint8Array): void {
    this.#faults.strike('blocks.write', () => {
      this.#blocks.write(block, firstHalf(this.#blocks, block, data))
    })
    this.#blocks.write(block, data)
  }

  async writeDirect(block: BlockNo, data: Uint8Array): Promise<void> {
    await this.#faults.run(
      'blocks.writeDirect',
      () => this.#blocks.writeDirect(block, data),
      async () => {
        this.#blocks.write(block, firstHalf(this.#blocks, block, data))
      },
    )
  }

  async flush(): Promise<void> {
    await this.#faults.run('blocks.flush', () => this.#blocks.flush())
  }

  grow(blockCount: number): void {
    this.#faults.strike('blocks.grow')
    this.#blocks.grow(blockCount)
  }

  hostFreeBytes(): number {
    return this.#blocks.hostFreeBytes()
  }
}

class FaultyIndex implements Index {
  readonly #index: Index
  readonly #faults: Faults
  readonly #oneBatch = new OneBatch()

  constructor(index: Index, faults: Faults) {
    this.#index = index
    this.#faults = faults
  }

  get hasSpace(): boolean {
    return this.#index.hasSpace
  }

  get(key: string): Uint8Array | undefined {
    this.#faults.strike('index.get')
    return this.#index.get(key)
  }

  pages(from: string, to: string): AsyncIterable<IndexPage> {
    const fault = this.#faults.next('index.range')
    if (fault?.result === 'EIO' || fault?.result === 'ENOSPC') throw errorOf(fault, 'index.range')
    return this.#faults.list('index.range', this.#index.pages(from, to), fault)
  }

  async batch(operations: readonly IndexOp[]): Promise<void> {
    const apply = () => this.#index.batch(operations)
    await this.#oneBatch.run(() => this.#faults.run('index.batch', apply, apply))
  }
}
