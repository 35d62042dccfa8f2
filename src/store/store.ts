/**
 * The committed state of a volume in memory: metadata, extent maps, free space, and the pages that
 * are not at home yet. It changes only by `apply`, which runs the same for a fresh commit and for
 * one that recovery finds in the ring.
 */
import { BLOCK_SIZE, type BlockNo, type Device } from '../device/device.ts'
import { crc32c } from '../crc32c.ts'
import { FsError } from '../errors.ts'
import { Allocator } from './allocator.ts'
import { ExtentMaps } from './extent-maps.ts'
import { HomeWrites } from './home-writes.ts'
import { LEAF_BLOCKS } from './leaf.ts'
import { Metadata } from './metadata.ts'
import {
  type MoveOp,
  type Op,
  type PageOp,
  type RemapOp,
  type ShareOp,
  type UnmapOp,
  type VacateOp,
  blockCountOf,
} from './ops.ts'
import { Shares } from './shares.ts'

/** A write of staged blocks that has not returned; reads of these blocks are served from it. */
export interface WriteUnderWay {
  readonly start: BlockNo
  readonly data: Uint8Array
}

export class Store {
  readonly device: Device
  readonly metadata: Metadata
  readonly maps: ExtentMaps
  readonly allocator: Allocator
  readonly shares: Shares
  readonly homeWrites = new HomeWrites()
  readonly writesUnderWay = new Set<WriteUnderWay>()

  constructor(device: Device) {
    this.device = device
    this.metadata = new Metadata(device.index)
    this.maps = new ExtentMaps(this.metadata)
    this.allocator = new Allocator(device.blocks)
    this.shares = new Shares(device.index)
  }

  /**
   * Reads what applying an operation needs, and makes sure that maps and bitmap agree on each block
   * that it frees or takes: on a damaged volume it could take what another file has. `freed` counts
   * what the operations of one commit free. Throws FsError EIO, and then nothing has changed.
   */
  prepare(op: Op, freed: Map<BlockNo, number>): void {
    if (op.type === 'put' || op.type === 'del') return
    const map = this.maps.get(op.ino, op.generation)
    const count = blockCountOf(op)
    let leaf = map.ensureLeaf(op.fileBlock)
    if (op.type === 'drop') return
    for (let i = 0; i < count; i++) {
      const fileBlock = op.fileBlock + i
      const slot = fileBlock % LEAF_BLOCKS
      if (slot === 0) leaf = map.ensureLeaf(fileBlock)
      const old = leaf.block(slot)
      if (op.type === 'move' || op.type === 'vacate') {
        // What leaves a place here has its owner at another place.
        if (old !== 0 && !this.allocator.isMapped(old)) throw contradiction(old)
        continue
      }
      const block = op.type === 'unmap' ? 0 : op.block + i
      if (old !== 0) this.prepareOld(op, old, block, freed)
      if (block !== 0 && block !== old) this.prepareNew(op, fileBlock, block)
    }
  }

  /** The block that a file block has is written again or loses an owner. */
  private prepareOld(op: Op, old: BlockNo, block: BlockNo, freed: Map<BlockNo, number>): void {
    const freedBefore = freed.get(old) ?? 0
    const extra = this.shares.extra(old)
    if (!this.allocator.isMapped(old) || freedBefore > extra) throw contradiction(old)
    if (old !== block) freed.set(old, freedBefore + 1)
    else if (op.type === 'page' && extra > 0) throw contradiction(old)
  }

  /** A block is mapped: one that nobody has, or one of the generation before at the same place. */
  private prepareNew(
    op: PageOp | RemapOp | ShareOp | UnmapOp,
    fileBlock: number,
    block: BlockNo,
  ): void {
    if (block >= this.device.blocks.blockCount) throw contradiction(block)
    if (op.type === 'share') this.shares.prepare(block)
    if (op.type === 'share' || !this.allocator.isMapped(block)) return
    const { ino, generation } = op
    const isShared = generation > 0 && this.maps.get(ino, generation - 1).block(fileBlock) === block
    if (!isShared) throw contradiction(block)
  }

  /** Requires: what it needs was read, or the caller copes with a failure in the middle. */
  apply(op: Op): void {
    switch (op.type) {
      case 'put':
        this.metadata.put(op.key, op.body)
        break
      case 'del':
        this.metadata.del(op.key)
        break
      case 'page':
        this.applyPage(op)
        break
      case 'remap':
        this.applyRemap(op)
        break
      case 'share':
        this.applyShare(op)
        break
      case 'unmap':
        this.applyUnmap(op)
        break
      case 'drop':
        this.maps.get(op.ino, op.generation).dropLeaf(op.fileBlock)
        break
      case 'move':
        this.applyMove(op)
        break
      case 'vacate':
        this.applyVacate(op)
        break
    }
  }

  /**
   * A block's content if it is in memory, as a view that must not be changed. A write under way has
   * its memory only until it returns, which may be before a reader has passed it on: a copy of it.
   */
  blockInMemory(block: BlockNo): Uint8Array | undefined {
    const page = this.homeWrites.get(block)
    if (page !== undefined) return page
    for (const { start, data } of this.writesUnderWay) {
      const at = (block - start) * BLOCK_SIZE
      if (at >= 0 && at < data.length) return Buffer.from(data.subarray(at, at + BLOCK_SIZE))
    }
    return undefined
  }

  /** One block's content, verified. Throws FsError EIO. */
  readBlock(block: BlockNo, checksum: number): Uint8Array {
    const inMemory = this.blockInMemory(block)
    if (inMemory !== undefined) return inMemory
    const data = Buffer.allocUnsafeSlow(BLOCK_SIZE)
    this.device.blocks.read(block, data)
    if (crc32c(data) !== checksum) throw new FsError('EIO', WRONG_CONTENT)
    return data
  }

  private applyPage(op: PageOp): void {
    const old = this.maps.get(op.ino, op.generation).set(op.fileBlock, op.block, op.checksum)
    if (old !== op.block) this.replace(old, op.block)
    this.homeWrites.set(op.block, op.data)
  }

  private applyRemap(op: RemapOp): void {
    const map = this.maps.get(op.ino, op.generation)
    for (let i = 0; i < op.checksums.length; i++) {
      const block = op.block + i
      const old = map.set(op.fileBlock + i, block, op.checksums[i] ?? 0)
      if (old !== block) this.replace(old, block)
    }
  }

  /** The place that was copied from may have lost the block meanwhile; then this is its one owner. */
  private applyShare(op: ShareOp): void {
    const map = this.maps.get(op.ino, op.generation)
    for (let i = 0; i < op.checksums.length; i++) {
      const block = op.block + i
      const old = map.set(op.fileBlock + i, block, op.checksums[i] ?? 0)
      if (old === block) continue
      if (old !== 0) this.free(old)
      if (this.allocator.isMapped(block)) this.shares.add(block)
      else this.allocator.map(block)
    }
  }

  /** A block that no map had, as on a damaged volume, is at least not given to anybody else. */
  private applyMove(op: MoveOp): void {
    const map = this.maps.get(op.ino, op.generation)
    for (const [i, checksum] of op.checksums.entries()) {
      map.set(op.fileBlock + i, op.block + i, checksum)
      if (!this.allocator.isMapped(op.block + i)) this.allocator.map(op.block + i)
    }
  }

  private applyVacate(op: VacateOp): void {
    const map = this.maps.get(op.ino, op.generation)
    for (let i = 0; i < op.count; i++) map.set(op.fileBlock + i, 0, 0)
  }

  private applyUnmap(op: UnmapOp): void {
    const map = this.maps.get(op.ino, op.generation)
    for (let i = 0; i < op.count; i++) {
      const old = map.set(op.fileBlock + i, 0, 0)
      if (old !== 0) this.free(old)
    }
  }

  private replace(old: BlockNo, block: BlockNo): void {
    if (old !== 0) this.free(old)
    this.allocator.map(block)
  }

  /** A place of a map no longer refers to a block. */
  private free(block: BlockNo): void {
    if (this.shares.extra(block) > 0) {
      this.shares.remove(block)
      return
    }
    this.allocator.unmap(block)
    // What is borrowed keeps its content, also if that is still on its way home.
    if (!this.allocator.isBorrowed(block)) this.homeWrites.drop(block)
  }

  /** A block that was borrowed is not needed any more. */
  giveBack(block: BlockNo): void {
    this.allocator.giveBack(block)
    const isKept = this.allocator.isMapped(block) || this.allocator.isBorrowed(block)
    if (!isKept) this.homeWrites.drop(block)
  }
}

function contradiction(block: BlockNo): FsError {
  return new FsError(
    'EIO',
    `The volume is damaged: its maps and its bitmap contradict each other about block ${block}; ` +
      'unmount it and run: oatomic check',
  )
}

/** What is wrong with a block whose checksum is not that of its map. */
export const WRONG_CONTENT = 'does not have the content that was stored'
