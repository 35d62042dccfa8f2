/**
 * Times of access, as relatime keeps them unless the mount is to be stricter: a read moves the time only if
 * it is not younger than the last change or is a day old. Kept in memory and committed with the periodic
 * writeback, so that reading writes nothing by itself; a crash may lose the last seconds of them.
 */
import { INODE_NO_ACCESS_TIME, type Ino, type Inode, isDirectory } from '../store/inode.ts'
import type { Engine } from '../txn/engine.ts'

const DAY_NS = 86_400_000_000_000n

/** Inodes in one commit. */
const BATCH = 64

export interface AccessTimesKept {
  /** Reading does not change the time of access. */
  readonly noAccessTimes: boolean
  /** … but changes it each time. Default: no. */
  readonly strictAccessTimes?: boolean
  /** … and never that of a directory. Default: no. */
  readonly noDirectoryAccessTimes?: boolean
}

export class AccessTimes {
  private readonly engine: Engine
  private readonly kept: AccessTimesKept
  private readonly touched = new Set<Ino>()

  constructor(engine: Engine, kept: AccessTimesKept) {
    this.engine = engine
    this.kept = kept
  }

  /** An inode was read; returns whether that changes its time. Requires: it was got in this tick. */
  touch(inode: Inode): boolean {
    if ((inode.flags & INODE_NO_ACCESS_TIME) !== 0) return false
    const { noAccessTimes, strictAccessTimes, noDirectoryAccessTimes } = this.kept
    if (noAccessTimes || (noDirectoryAccessTimes === true && isDirectory(inode))) return false
    const now = this.engine.clock()
    if (strictAccessTimes !== true && !isDue(inode, now)) return false
    inode.atimeNs = now
    this.touched.add(inode.ino)
    this.engine.inodes.keep(inode.ino)
    return true
  }

  /** Whether an inode has a time that no commit has yet. */
  has(ino: Ino): boolean {
    return this.touched.has(ino)
  }

  /** Commits what was touched; returns the inodes. */
  async commit(): Promise<Ino[]> {
    const all = [...this.touched]
    for (let i = 0; i < all.length; i += BATCH) {
      while (!this.engine.hasRoom) await this.engine.room()
      const change = this.engine.begin()
      for (const ino of all.slice(i, i + BATCH)) {
        this.touched.delete(ino)
        if (this.engine.inodes.find(ino) !== undefined) change.noteAccess(ino)
        this.engine.inodes.unkeep(ino)
      }
      if (!change.isEmpty) this.engine.commit(change)
    }
    return all
  }
}

function isDue(inode: Inode, now: bigint): boolean {
  const { atimeNs, mtimeNs, ctimeNs } = inode
  return atimeNs <= mtimeNs || atimeNs <= ctimeNs || now - atimeNs > DAY_NS
}
