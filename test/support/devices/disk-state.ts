/**
 * A disk and the host's cache before it, at one moment of a recorded run. A flush of one part says
 * nothing of another; a durable write says nothing of other writes; an index batch is all or none.
 */
import { invariant } from '../../../src/errors.ts'
import { BLOCK_SIZE, type IndexOp } from '../../../src/device/device.ts'
import type { DeviceImage } from '../../../src/device/memory-device.ts'
import type { AsyncCall, DeviceEvent, Part } from './device-log.ts'
import { DiskPart, type Choose } from './disk-part.ts'

const ZERO_BLOCK = new Uint8Array(BLOCK_SIZE)

/** What a crash leaves of the blocks and of an index batch under way. */
export interface CrashChoice {
  readonly choose: Choose
  readonly hasBatch: boolean
}

interface State {
  readonly ringBlockCount: number
  blockCount: number
  readonly parts: Readonly<Record<Part, DiskPart>>
  readonly index: Map<string, Uint8Array>
}

export class DiskState {
  readonly #state: State
  readonly #underWay = new Set<number>()
  readonly #flushes = new Map<number, ReadonlySet<number>>()
  #batch: readonly IndexOp[] | undefined

  private constructor(state: State) {
    this.#state = state
  }

  /** A disk on which everything in the image is durable. */
  static of(image: DeviceImage): DiskState {
    const parts = {
      ring: new DiskPart('ring', image.ring),
      blocks: new DiskPart('blocks', image.blocks),
      superblock: new DiskPart('superblock', new Map(image.superblocks.entries())),
    }
    const { ringBlockCount, blockCount } = image
    return new DiskState({ ringBlockCount, blockCount, parts, index: new Map(image.index) })
  }

  /** Requires: nothing is under way. */
  clone(): DiskState {
    invariant(this.#underWay.size === 0 && this.#flushes.size === 0, 'no call is under way')
    return this.#with((part) => part.clone(), false)
  }

  /** Whether a crash can leave one image only. */
  get isSettled(): boolean {
    const { ring, blocks, superblock } = this.#state.parts
    return this.#batch === undefined && ring.isSettled && blocks.isSettled && superblock.isSettled
  }

  /** Parts of which a crash may still take something. */
  get unsettledParts(): Part[] {
    const parts = Object.values(this.#state.parts).filter((part) => !part.isSettled)
    return parts.map((part) => part.name)
  }

  /** Sequence numbers of the writes that a crash may still take, in order. */
  get unsettledWrites(): number[] {
    const seqs = Object.values(this.#state.parts).flatMap((part) => [...part.unsettled])
    return seqs.toSorted((a, b) => a - b)
  }

  get hasBatchUnderWay(): boolean {
    return this.#batch !== undefined
  }

  isUnderWay(seq: number): boolean {
    return this.#underWay.has(seq)
  }

  apply(seq: number, event: DeviceEvent): void {
    if (event.type === 'write') this.#part(event).write(seq, event.block, event.data)
    else if (event.type === 'grow') this.#state.blockCount = event.blockCount
    else if (event.type === 'start') this.#start(seq, event.call)
    else this.#end(event.start, event.call)
  }

  /** What a power cut leaves. */
  image({ choose, hasBatch }: CrashChoice): DeviceImage {
    const { ringBlockCount, blockCount, parts, index } = this.#state
    const superblocks = parts.superblock.choose(choose)
    return {
      ringBlockCount,
      ring: parts.ring.choose(choose),
      blockCount,
      blocks: parts.blocks.choose(choose),
      superblocks: [superblocks.get(0) ?? ZERO_BLOCK, superblocks.get(1) ?? ZERO_BLOCK],
      index: hasBatch ? applyBatch(index, this.#batch ?? []) : new Map(index),
    }
  }

  /** What the death of the process leaves: nothing became durable by it, and nothing is lost yet. */
  killed({ choose, hasBatch }: CrashChoice): DiskState {
    return this.#with((part) => part.keepInCache(choose), hasBatch)
  }

  #with(copy: (part: DiskPart) => DiskPart, hasBatch: boolean): DiskState {
    const { ringBlockCount, blockCount, parts, index } = this.#state
    return new DiskState({
      ringBlockCount,
      blockCount,
      parts: {
        ring: copy(parts.ring),
        blocks: copy(parts.blocks),
        superblock: copy(parts.superblock),
      },
      index: hasBatch ? applyBatch(index, this.#batch ?? []) : new Map(index),
    })
  }

  #part({ part }: { readonly part: Part }): DiskPart {
    return this.#state.parts[part]
  }

  #start(seq: number, call: AsyncCall): void {
    if (call.type === 'batch') {
      this.#batch = call.operations
    } else if (call.type === 'flush') {
      this.#flushes.set(seq, this.#part(call).covered(this.#underWay))
    } else {
      this.#underWay.add(seq)
      this.#part(call).write(seq, call.block, call.data)
    }
  }

  #end(start: number, call: AsyncCall): void {
    this.#underWay.delete(start)
    if (call.type === 'batch') {
      changeIndex(this.#state.index, call.operations)
      this.#batch = undefined
    } else if (call.type === 'flush') {
      this.#part(call).settleFlush(this.#flushes.get(start) ?? new Set())
      this.#flushes.delete(start)
    } else if (call.type === 'durable') {
      this.#part(call).settleWrite(start, call.block, call.data)
    }
  }
}

function applyBatch(
  index: ReadonlyMap<string, Uint8Array>,
  operations: readonly IndexOp[],
): Map<string, Uint8Array> {
  const changed = new Map(index)
  changeIndex(changed, operations)
  return changed
}

function changeIndex(index: Map<string, Uint8Array>, operations: readonly IndexOp[]): void {
  for (const operation of operations) {
    if (operation.type === 'put') index.set(operation.key, operation.value)
    else index.delete(operation.key)
  }
}
