/**
 * The inodes in memory, as of the last commit: those used last, in two halves. What is used goes to the
 * young half; when that is full, it becomes the old one, and what was not used since is dropped. So
 * however many inodes the kernel knows, only so many are here, and each is the same object for the
 * whole of a tick, but not beyond an await.
 */
import { FsError } from '../errors.ts'
import { type Ino, type Inode, decodeInode } from '../store/inode.ts'
import { inodeKey } from '../store/keys.ts'
import type { Metadata } from '../store/metadata.ts'

/** Inodes of a half: both together take about 10 MB. */
const HALF_COUNT_MAX = 16_384

export class Inodes {
  private readonly metadata: Metadata
  private readonly halfCountMax: number
  private young = new Map<Ino, Inode>()
  private old = new Map<Ino, Inode>()
  /** Those that have something which no commit has yet. */
  private readonly kept = new Set<Ino>()

  constructor(metadata: Metadata, halfCountMax = HALF_COUNT_MAX) {
    this.metadata = metadata
    this.halfCountMax = halfCountMax
  }

  find(ino: Ino): Inode | undefined {
    const young = this.young.get(ino)
    if (young !== undefined) return young
    const found = this.old.get(ino) ?? this.load(ino)
    if (found !== undefined) this.remember(found)
    return found
  }

  /** Throws FsError ESTALE for an inode that does not exist. */
  get(ino: Ino): Inode {
    const inode = this.find(ino)
    if (inode === undefined) throw new FsError('ESTALE', `Inode ${ino} does not exist`)
    return inode
  }

  /** Takes over what a commit changed. */
  update(draft: Inode): void {
    const known = this.young.get(draft.ino) ?? this.old.get(draft.ino)
    if (known === undefined) this.remember(draft)
    else Object.assign(known, draft)
  }

  /** Keeps an inode here, however long nobody uses it: it is not what was committed last. */
  keep(ino: Ino): void {
    this.kept.add(ino)
  }

  /** What an inode has was committed. */
  unkeep(ino: Ino): void {
    this.kept.delete(ino)
  }

  /** Drops an inode from memory: the kernel has forgotten it, or it was deleted. */
  evict(ino: Ino): void {
    this.young.delete(ino)
    this.old.delete(ino)
  }

  private load(ino: Ino): Inode | undefined {
    const body = this.metadata.get(inodeKey(ino))
    return body === undefined ? undefined : decodeInode(ino, body)
  }

  private remember(inode: Inode): void {
    if (this.young.size >= this.halfCountMax) this.age()
    this.young.set(inode.ino, inode)
  }

  private age(): void {
    const dropped = this.old
    this.old = this.young
    this.young = new Map()
    for (const ino of this.kept) {
      const inode = dropped.get(ino)
      if (inode !== undefined && !this.old.has(ino)) this.old.set(ino, inode)
    }
  }
}
