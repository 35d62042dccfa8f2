/**
 * What one commit will do, while it is being put together. Nothing of it is visible before
 * `Engine.commit`: inodes are changed as drafts.
 */
import { FsError } from '../errors.ts'
import {
  type Dirent,
  INODE_HAS_XATTRS,
  type Ino,
  type Inode,
  encodeDirent,
  encodeInode,
} from '../store/inode.ts'
import {
  direntKey,
  hiddenKey,
  inodeKey,
  orphanKey,
  pendingMapKey,
  xattrKey,
} from '../store/keys.ts'
import type { Op, PageOp } from '../store/ops.ts'
import { opSize } from '../journal/record.ts'
import type { ByteRanges } from './byte-ranges.ts'
import type { Inodes } from './inodes.ts'

const EMPTY = new Uint8Array(0)

export class Change {
  readonly drafts = new Map<Ino, Inode>()
  readonly removed = new Set<Ino>()
  /** What it writes to files, where that is known byte by byte. */
  readonly written = new Map<Ino, ByteRanges>()
  /** Files that content is cut off from, also where the size is the same in the end. */
  readonly cut = new Set<Ino>()
  /** Leaves in which a new generation of a map differs already, where that is known. */
  readonly touchedLeaves = new Map<Ino, Iterable<number>>()
  /** Inodes of which only the time of access is committed: to nobody else a change. */
  readonly accessed = new Set<Ino>()
  private readonly inodes: Inodes
  private readonly ops: Op[] = []
  private bytes = 0

  /** The last commit when this was begun: what it is built on. */
  readonly baseSeq: number

  constructor(inodes: Inodes, baseSeq: number) {
    this.inodes = inodes
    this.baseSeq = baseSeq
  }

  /** A copy of an inode that this commit will replace it by. */
  inode(ino: Ino): Inode {
    let draft = this.drafts.get(ino)
    if (draft === undefined) {
      draft = { ...this.inodes.get(ino) }
      this.drafts.set(ino, draft)
    }
    return draft
  }

  /** Commits the time of access that an inode has in memory. */
  noteAccess(ino: Ino): void {
    this.inode(ino)
    this.accessed.add(ino)
  }

  addInode(inode: Inode): void {
    this.drafts.set(inode.ino, inode)
  }

  removeInode(ino: Ino): void {
    this.drafts.delete(ino)
    this.removed.add(ino)
    this.push({ type: 'del', key: inodeKey(ino) })
  }

  putDirent(parent: Ino, name: string, dirent: Dirent): void {
    this.push({ type: 'put', key: direntKey(parent, name), body: encodeDirent(dirent) })
  }

  removeDirent(parent: Ino, name: string): void {
    this.push({ type: 'del', key: direntKey(parent, name) })
  }

  putXattr(ino: Ino, name: string, value: Uint8Array): void {
    this.inode(ino).flags |= INODE_HAS_XATTRS
    this.push({ type: 'put', key: xattrKey(ino, name), body: Uint8Array.from(value) })
  }

  removeXattr(ino: Ino, name: string): void {
    this.push({ type: 'del', key: xattrKey(ino, name) })
  }

  putOrphan(ino: Ino): void {
    this.push({ type: 'put', key: orphanKey(ino), body: EMPTY })
  }

  removeOrphan(ino: Ino): void {
    this.push({ type: 'del', key: orphanKey(ino) })
  }

  putHidden(ino: Ino): void {
    this.push({ type: 'put', key: hiddenKey(ino), body: EMPTY })
  }

  removeHidden(ino: Ino): void {
    this.push({ type: 'del', key: hiddenKey(ino) })
  }

  putPendingMap(ino: Ino, generation: number): void {
    this.push({ type: 'put', key: pendingMapKey(ino, generation), body: EMPTY })
  }

  removePendingMap(ino: Ino, generation: number): void {
    this.push({ type: 'del', key: pendingMapKey(ino, generation) })
  }

  /** An operation on an extent map. */
  push(op: Op): void {
    this.bytes += opSize(op)
    this.ops.push(op)
  }

  /** The pages of a file so far, by file block. */
  pagesOf(ino: Ino): ReadonlyMap<number, PageOp> {
    const pages = new Map<number, PageOp>()
    for (const op of this.ops) if (op.type === 'page' && op.ino === ino) pages.set(op.fileBlock, op)
    return pages
  }

  /** Size of the operations so far in a record, without the inodes. */
  get sizeBytes(): number {
    return this.bytes
  }

  get isEmpty(): boolean {
    return this.ops.length === 0 && this.drafts.size === 0
  }

  /** All operations, the inodes last. Throws FsError EIO where a damaged inode counted too little. */
  finish(): readonly Op[] {
    for (const draft of this.drafts.values()) {
      checkCounts(draft)
      this.push({ type: 'put', key: inodeKey(draft.ino), body: encodeInode(draft) })
    }
    return this.ops
  }
}

function checkCounts({ ino, nlink, entryCount, blockCount }: Inode): void {
  if (Math.min(nlink, entryCount, blockCount) >= 0) return
  throw new FsError(
    'EIO',
    `The volume is damaged: inode ${ino} counts less than it has; unmount it and run: oatomic check`,
  )
}
