/**
 * Whether a commit that stood in the ring can be one of this volume, beyond what `checkOp` and
 * `Store.prepare` say of each operation alone. Recovery refuses one that cannot, and check says so.
 */
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { type Ino, decodeInode } from './inode.ts'
import { inodeKey, pendingMapKey } from './keys.ts'
import { type MoveOp, type Op, type VacateOp, blockCountOf } from './ops.ts'

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
  /** Behind the last file block. */
  endBlock: number
  hasPage: boolean
}

export class CommitCheck {
  private readonly mapped = new Map<string, Mapped>()
  private last: Mapped | undefined
  /** How many more places have a block than before, by moves alone. */
  private readonly moved = new Map<BlockNo, number>()

  /** Takes note of an operation before it is applied; `blockAt` is what a map has until then. */
  note(op: Op, blockAt: (place: MapPlace) => BlockNo): void {
    switch (op.type) {
      case 'put':
      case 'del':
      case 'unmap':
      case 'drop':
        return
      case 'vacate':
        this.noteMove(op, blockAt)
        return
      case 'move':
        this.noteMove(op, blockAt)
        this.noteMapped(op, blockCountOf(op), false)
        return
      case 'page':
      case 'remap':
      case 'share':
        this.noteMapped(op, blockCountOf(op), op.type === 'page')
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
    for (const mapped of this.mapped.values()) checkMapped(mapped, get)
  }

  private noteMove(op: MoveOp | VacateOp, blockAt: (place: MapPlace) => BlockNo): void {
    const { ino, generation } = op
    for (let i = 0; i < blockCountOf(op); i++) {
      const old = blockAt({ ino, generation, fileBlock: op.fileBlock + i })
      const block = op.type === 'move' ? op.block + i : 0
      if (old !== 0) this.moved.set(old, (this.moved.get(old) ?? 0) - 1)
      if (block !== 0) this.moved.set(block, (this.moved.get(block) ?? 0) + 1)
    }
  }

  private noteMapped(place: MapPlace, count: number, isPage: boolean): void {
    if (count === 0) return
    const { ino, generation, fileBlock } = place
    const mapped = this.entry(ino, generation)
    mapped.endBlock = Math.max(mapped.endBlock, fileBlock + count)
    mapped.hasPage ||= isPage
  }

  /** Operations of one file stand together. */
  private entry(ino: Ino, generation: number): Mapped {
    if (this.last?.ino === ino && this.last.generation === generation) return this.last
    const key = `${ino}.${generation}`
    this.last = this.mapped.get(key) ?? { ino, generation, endBlock: 0, hasPage: false }
    this.mapped.set(key, this.last)
    return this.last
  }
}

/** A map that is pending belongs to no content yet, and its pages would go to blocks that do. */
function checkMapped(
  { ino, generation, endBlock, hasPage }: Mapped,
  get: (key: string) => Uint8Array | undefined,
): void {
  // First, because the inode need not be readable then.
  if (!hasPage && get(pendingMapKey(ino, generation)) !== undefined) return
  const body = get(inodeKey(ino))
  if (body === undefined) throw impossible(`inode ${ino} is mapped and does not exist`)
  const inode = decodeInode(ino, body)
  if (inode.mapGeneration !== generation) {
    const own = `its own is ${inode.mapGeneration}`
    throw impossible(`generation ${generation} of inode ${ino} is mapped, and ${own}`)
  }
  if (endBlock <= Math.ceil(inode.size / BLOCK_SIZE)) return
  throw impossible(`inode ${ino} is mapped behind its end at ${inode.size}`)
}

function impossible(what: string): FsError {
  return new FsError('EIO', `A commit in the ring is damaged: ${what}`)
}
