/** The inodes in memory, as of the last commit. Always the same object for the same inode. */
import { FsError } from '../errors.ts'
import { type Ino, type Inode, decodeInode } from '../store/inode.ts'
import { inodeKey } from '../store/keys.ts'
import type { Metadata } from '../store/metadata.ts'

export class Inodes {
  private readonly metadata: Metadata
  private readonly cached = new Map<Ino, Inode>()

  constructor(metadata: Metadata) {
    this.metadata = metadata
  }

  find(ino: Ino): Inode | undefined {
    const cached = this.cached.get(ino)
    if (cached !== undefined) return cached
    const body = this.metadata.get(inodeKey(ino))
    if (body === undefined) return undefined
    const inode = decodeInode(ino, body)
    this.cached.set(ino, inode)
    return inode
  }

  /** Throws FsError ESTALE for an inode that does not exist. */
  get(ino: Ino): Inode {
    const inode = this.find(ino)
    if (inode === undefined) throw new FsError('ESTALE', `Inode ${ino} does not exist`)
    return inode
  }

  /** Takes over what a commit changed. */
  update(draft: Inode): void {
    const cached = this.cached.get(draft.ino)
    if (cached === undefined) this.cached.set(draft.ino, draft)
    else Object.assign(cached, draft)
  }

  /** Drops an inode from memory: the kernel has forgotten it, or it was deleted. */
  evict(ino: Ino): void {
    this.cached.delete(ino)
  }
}
