/** One part of a simulated disk: what is durable, and every later version of a block. */
import { BLOCK_SIZE, type BlockNo } from '../../../src/device/device.ts'
import type { SparseBlocks } from '../../../src/device/sparse-blocks.ts'
import type { Part } from './device-log.ts'

/** Content of one block that a write stored and no flush has made durable. */
export interface Version {
  /** Sequence number of the write; negative when a process before this one wrote it. */
  readonly seq: number
  readonly data: Uint8Array
}

/** Chooses what a crash leaves of a block. `versions` is not empty, oldest first. */
export type Choose = (durable: Uint8Array, versions: readonly Version[], part: Part) => Uint8Array

/** Makes the sequence numbers of a dead process differ from its successor's. */
const SEQ_SHIFT = 2 ** 32

const ZEROS = new Uint8Array(BLOCK_SIZE)

export class DiskPart {
  readonly name: Part
  readonly #durable: SparseBlocks
  readonly #versions: Map<BlockNo, readonly Version[]>

  constructor(
    name: Part,
    durable: SparseBlocks,
    versions?: ReadonlyMap<BlockNo, readonly Version[]>,
  ) {
    this.name = name
    this.#durable = new Map(durable)
    this.#versions = new Map(versions)
  }

  clone(): DiskPart {
    return new DiskPart(this.name, this.#durable, this.#versions)
  }

  get isSettled(): boolean {
    return this.#versions.size === 0
  }

  /** Writes that a crash may still take. */
  get unsettled(): ReadonlySet<number> {
    return new Set([...this.#versions.values()].flat().map((version) => version.seq))
  }

  write(seq: number, block: BlockNo, data: Uint8Array): void {
    forEachBlock(block, data, (at, content) => {
      this.#versions.set(at, [...(this.#versions.get(at) ?? []), { seq, data: content }])
    })
  }

  /** What a durable write stored is there, and nothing older can come back. */
  settleWrite(seq: number, block: BlockNo, data: Uint8Array): void {
    forEachBlock(block, data, (at) => {
      this.#settle(at, (version) => version.seq === seq)
    })
  }

  /** Writes that a flush beginning now covers: those that are not under way. */
  covered(underWay: ReadonlySet<number>): ReadonlySet<number> {
    return new Set([...this.unsettled].filter((seq) => !underWay.has(seq)))
  }

  settleFlush(covered: ReadonlySet<number>): void {
    for (const block of this.#versions.keys()) {
      this.#settle(block, (version) => covered.has(version.seq))
    }
  }

  /** The blocks that a crash leaves. */
  choose(choose: Choose): SparseBlocks {
    const blocks: SparseBlocks = new Map(this.#durable)
    for (const [block, versions] of this.#versions) {
      blocks.set(block, choose(this.#durable.get(block) ?? ZEROS, versions, this.name))
    }
    return blocks
  }

  /** The same, still in the host's cache: a killed process takes nothing from there. */
  keepInCache(choose: Choose): DiskPart {
    const kept = new Map<BlockNo, readonly Version[]>()
    for (const [block, versions] of this.#versions) {
      const data = choose(this.#durable.get(block) ?? ZEROS, versions, this.name)
      const earlier = versions.map((version) => ({ ...version, seq: version.seq - SEQ_SHIFT }))
      const last = earlier.pop()
      kept.set(block, last === undefined ? [] : [...earlier, { ...last, data }])
    }
    return new DiskPart(this.name, this.#durable, kept)
  }

  #settle(block: BlockNo, isDurable: (version: Version) => boolean): void {
    const versions = this.#versions.get(block) ?? []
    const last = versions.findLastIndex(isDurable)
    const version = versions[last]
    if (version === undefined) return
    this.#durable.set(block, version.data)
    if (last + 1 === versions.length) this.#versions.delete(block)
    else this.#versions.set(block, versions.slice(last + 1))
  }
}

function forEachBlock(
  block: BlockNo,
  data: Uint8Array,
  visit: (block: BlockNo, content: Uint8Array) => void,
): void {
  for (let at = 0; at < data.length; at += BLOCK_SIZE) {
    visit(block + at / BLOCK_SIZE, data.subarray(at, at + BLOCK_SIZE))
  }
}
