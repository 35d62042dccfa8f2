/**
 * What a repair will write, while it is being found out. Nothing is written before all of it is
 * known, and then it is one batch of the index (see `repair-structure.ts`).
 */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE, type BlockNo, type IndexOp } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { Bitmap } from '../store/bitmap.ts'
import { type Dirent, type Ino, type Inode, encodeInode } from '../store/inode.ts'
import { inodeKey } from '../store/keys.ts'
import { type Leaf, encodeLeaf } from '../store/leaf.ts'
import { sealValue } from '../store/metadata.ts'
import type { VolumeView } from '../check/volume-view.ts'
import type { RepairReport } from './report.ts'

const ZEROS = Buffer.alloc(BLOCK_SIZE)
/** No block of zeros has this checksum. */
const IMPOSSIBLE_CHECKSUM = ~crc32c(ZEROS) >>> 0

export interface Slot {
  readonly block: BlockNo
  readonly checksum: number
}

export class RepairPlan {
  readonly view: VolumeView
  readonly report: RepairReport
  readonly inodes = new Map<Ino, Inode>()
  /** Entries that stay, by directory and name. */
  readonly entries = new Map<Ino, Map<string, Dirent>>()
  /** Directories without a name that the next mount removes with all that is in them. */
  readonly hidden = new Set<Ino>()
  /** Files of which only maps were left. */
  readonly madeAnew = new Set<Ino>()
  readonly newBlocks = new Map<BlockNo, Uint8Array>()
  /** Blocks that some map has, before and after the repair. */
  readonly claimed: Bitmap
  blockCount: number
  private readonly changes: Map<string, Uint8Array | null>
  private readonly changedInodes = new Set<Ino>()
  private cursor = 1

  constructor(view: VolumeView, report: RepairReport) {
    this.view = view
    this.report = report
    this.blockCount = view.device.blocks.blockCount
    this.claimed = new Bitmap(this.blockCount)
    this.changes = new Map(view.changes)
  }

  put(key: string, body: Uint8Array): void {
    this.changes.set(key, body)
  }

  del(key: string): void {
    this.changes.set(key, null)
  }

  /** A body as it will be. */
  get(key: string): Uint8Array | undefined {
    const changed = this.changes.get(key)
    return changed === undefined ? this.view.get(key) : (changed ?? undefined)
  }

  /** Keys with this prefix that are changed and stay. */
  changedKeys(prefix: string): string[] {
    return [...this.changes].flatMap(([key, body]) =>
      key.startsWith(prefix) && body !== null ? [key] : [],
    )
  }

  putLeaf(key: string, leaf: Leaf): void {
    if (leaf.mappedCount === 0) this.del(key)
    else this.put(key, encodeLeaf(leaf))
  }

  /** A new inode, or one that was changed in place. */
  putInode(inode: Inode): void {
    this.inodes.set(inode.ino, inode)
    this.changedInodes.add(inode.ino)
  }

  set<Field extends keyof Inode>(inode: Inode, field: Field, value: Inode[Field]): boolean {
    if (inode[field] === value) return false
    inode[field] = value
    this.changedInodes.add(inode.ino)
    return true
  }

  dropInode(ino: Ino): void {
    this.inodes.delete(ino)
    this.changedInodes.delete(ino)
    this.del(inodeKey(ino))
  }

  /** Above all that exist. */
  get nextIno(): Ino {
    let next = this.view.nextIno
    for (const ino of this.inodes.keys()) next = Math.max(next, ino + 1)
    return next
  }

  /** What a block holds, or will when the ring's pages are home; undefined if it cannot be read. */
  contentOf(block: BlockNo): Uint8Array | undefined {
    const page = this.view.page(block)
    if (page !== undefined) return page
    const content = Buffer.alloc(BLOCK_SIZE)
    try {
      this.view.device.blocks.read(block, content)
      return content
    } catch (error) {
      if (error instanceof FsError) return undefined
      throw error
    }
  }

  /**
   * A page that reads as an error until it is written again: a block of its own, with a checksum that
   * its content does not have.
   */
  damagedSlot(): Slot {
    return { block: this.store(ZEROS), checksum: IMPOSSIBLE_CHECKSUM }
  }

  storedSlot(content: Uint8Array): Slot {
    return { block: this.store(content), checksum: crc32c(content) }
  }

  /** In a block that nothing has used, so that all that was readable stays so until the batch. */
  private store(content: Uint8Array): BlockNo {
    while (this.claimed.has(this.cursor) || this.view.bitmap.has(this.cursor)) this.cursor++
    const block = this.cursor++
    this.blockCount = Math.max(this.blockCount, block + 1)
    this.claimed.resize(this.blockCount)
    this.claimed.set(block)
    this.newBlocks.set(block, content)
    return block
  }

  /** Everything, as one batch. */
  operations(): IndexOp[] {
    for (const ino of this.changedInodes) {
      const inode = this.inodes.get(ino)
      if (inode !== undefined) this.put(inodeKey(ino), encodeInode(inode))
    }
    return [...this.changes].map(([key, body]) =>
      body === null ? { type: 'del', key } : { type: 'put', key, value: sealValue(key, body) },
    )
  }
}
