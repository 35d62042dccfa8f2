/**
 * How many references the kernel has to each inode. An inode without a name is freed when the last
 * one is gone, not before: an open file and an O_PATH descriptor both keep one.
 */
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'

export class References {
  private readonly counts = new Map<Ino, number>()
  /** Files that were made without a name and may still be given one. */
  readonly linkable = new Set<Ino>()

  has(ino: Ino): boolean {
    return this.counts.has(ino)
  }

  add(ino: Ino): void {
    this.counts.set(ino, (this.counts.get(ino) ?? 0) + 1)
  }

  /** Drops some; returns whether none are left. Throws FsError EINVAL for more than there are. */
  drop(ino: Ino, count: number): boolean {
    const left = (this.counts.get(ino) ?? 0) - count
    if (left < 0) throw new FsError('EINVAL', `Cannot forget inode ${ino}: it was not looked up`)
    if (left > 0) this.counts.set(ino, left)
    else {
      this.counts.delete(ino)
      this.linkable.delete(ino)
    }
    return left === 0
  }

  /** Inodes that the kernel still knew; for the end of a mount. */
  all(): Ino[] {
    return [...this.counts.keys()]
  }
}
