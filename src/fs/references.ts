/**
 * How many references the kernel has to each inode. An inode without a name is freed when the last
 * one is gone, not before: an open file and an O_PATH descriptor both keep one.
 */
import { FsError, invariant } from '../errors.ts'
import type { Ino } from '../store/inode.ts'

/** One map for all would stop everything while it grows, and end at 16 million. */
const MAP_COUNT = 256

type Counts = Map<Ino, number>

export class References {
  private readonly maps: readonly Counts[] = Array.from({ length: MAP_COUNT }, () => new Map())
  /** Files that were made without a name and may still be given one. */
  readonly linkable = new Set<Ino>()

  has(ino: Ino): boolean {
    return this.mapOf(ino).has(ino)
  }

  add(ino: Ino): void {
    const counts = this.mapOf(ino)
    counts.set(ino, (counts.get(ino) ?? 0) + 1)
  }

  /** Drops some; returns whether none are left. Throws FsError EINVAL for more than there are. */
  drop(ino: Ino, count: number): boolean {
    const counts = this.mapOf(ino)
    const left = (counts.get(ino) ?? 0) - count
    if (left < 0) throw new FsError('EINVAL', `Cannot forget inode ${ino}: it was not looked up`)
    if (left > 0) counts.set(ino, left)
    else {
      counts.delete(ino)
      this.linkable.delete(ino)
    }
    return left === 0
  }

  /** Inodes that the kernel still knew; for the end of a mount. */
  all(): Ino[] {
    return this.maps.flatMap((counts) => [...counts.keys()])
  }

  private mapOf(ino: Ino): Counts {
    const counts = this.maps[ino % MAP_COUNT]
    invariant(counts !== undefined, 'an inode number is a natural number')
    return counts
  }
}
