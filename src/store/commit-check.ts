/**
 * Whether a commit that stood in the ring can be one of this volume, beyond what `checkOp` and
 * `Store.prepare` say of each operation alone. Recovery refuses one that cannot, and check says so.
 */
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { type Ino, decodeInode } from './inode.ts'
import { inodeKey, pendingMapKey } from './keys.ts'
import {
  type MoveOp,
  type Op,
  type PageOp,
  type RemapOp,
  type ShareOp,
  type VacateOp,
  blockCountOf,
} from './ops.ts'

/** A block of a file, as one generation of its map has it. */
export interface MapPlace {
  readonly ino: Ino
  readonly generation: number
  readonly fileBlock: number
}

/** What a commit maps in one generation of a file's map. */
interface Mapped {
  readonly ino: Ino
  readonly generation: number
  readonly ops: (PageOp | RemapOp | ShareOp | MoveOp)[]
}

export class CommitCheck {
  private readonly mapped = new Map<string, Mapped>()
  private last: Mapped | undefined
  /** How many more places have a block than before, by moves alone. */
  private readonly moved = new Map<BlockNo, number>()
  private readonly blockAt: (place: MapPlace) => BlockNo

  /** `blockAt` is the block that a map has by now, 0 for a hole. */
  constructor(blockAt: (place: MapPlace) => BlockNo) {
    this.blockAt = blockAt
  }

  /** Takes note of an operation before it is applied. */
  note(op: Op): void {
    switch (op.type) {
      case 'put':
      case 'del':
      case 'unmap':
      case 'drop':
        return
      case 'vacate':
        this.noteMove(op)
        return
      case 'move':
        this.noteMove(op)
        this.opsOf(op).push(op)
        return
      case 'page':
      case 'remap':
      case 'share':
        this.opsOf(op).push(op)
    }
  }

  /**
   * All of the commit is applied; `get` is the body of a key as it is now. Throws FsError EIO if the
   * commit maps what is no part of a file, or moves blocks from or to nowhere.
   */
  finish(get: (key: string) => Uint8Array | undefined): void {
    for (const [block, count] of this.moved) {
      const what = count > 0 ? 'leaves no other place' : 'comes to no other place'
      if (count !== 0) throw impossible(`block ${block} is moved and ${what}`)
    }
    for (const mapped of this.mapped.values()) this.checkMapped(mapped, get)
  }

  private noteMove(op: MoveOp | VacateOp): void {
    const { ino, generation } = op
    for (let i = 0; i < blockCountOf(op); i++) {
      const old = this.blockAt({ ino, generation, fileBlock: op.fileBlock + i })
      const block = op.type === 'move' ? op.block + i : 0
      if (old !== 0) this.moved.set(old, (this.moved.get(old) ?? 0) - 1)
      if (block !== 0) this.moved.set(block, (this.moved.get(block) ?? 0) + 1)
    }
  }

  /** Operations of one file stand together. */
  private opsOf({ ino, generation }: MapPlace): Mapped['ops'] {
    if (this.last?.ino !== ino || this.last.generation !== generation) {
      const key = `${ino}.${generation}`
      this.last = this.mapped.get(key) ?? { ino, generation, ops: [] }
      this.mapped.set(key, this.last)
    }
    return this.last.ops
  }

  /** A map that is pending belongs to no content yet, and its pages would go to blocks that do. */
  private checkMapped(
    { ino, generation, ops }: Mapped,
    get: (key: string) => Uint8Array | undefined,
  ): void {
    const hasPage = ops.some(({ type }) => type === 'page')
    // First, because the inode need not be readable then.
    if (!hasPage && get(pendingMapKey(ino, generation)) !== undefined) return
    const body = get(inodeKey(ino))
    if (body === undefined) throw impossible(`inode ${ino} is mapped and does not exist`)
    const { mapGeneration, size } = decodeInode(ino, body)
    if (mapGeneration !== generation) {
      const own = `its own is ${mapGeneration}`
      throw impossible(`generation ${generation} of inode ${ino} is mapped, and ${own}`)
    }
    const endBlock = Math.ceil(size / BLOCK_SIZE)
    const isBehind = ops.some((op) => this.mapsFrom(endBlock, op))
    if (isBehind) throw impossible(`inode ${ino} is mapped behind its end at ${size}`)
  }

  /** What an exchange publishes before it may be at the other file in the end. */
  private mapsFrom(endBlock: number, op: Mapped['ops'][number]): boolean {
    const { ino, generation } = op
    const end = op.fileBlock + blockCountOf(op)
    for (let fileBlock = Math.max(op.fileBlock, endBlock); fileBlock < end; fileBlock++) {
      if (this.blockAt({ ino, generation, fileBlock }) !== 0) return true
    }
    return false
  }
}

function impossible(what: string): FsError {
  return new FsError('EIO', `A commit in the ring is damaged: ${what}`)
}
