/**
 * Frees what nobody refers to any more: files without a name that the kernel has forgotten, and the
 * maps that truncations replaced. Owns no timer: the session calls `step`, and so do tests. Every
 * step is a commit, and the orphan key stays until the last one, so a crash only means going on.
 */
import { INODE_HAS_XATTRS, type Ino, type Inode } from '../store/inode.ts'
import { isWellFormed, pendingMapKey, u32FromKey, u64FromKey, xattrGroup } from '../store/keys.ts'
import type { Engine } from './engine.ts'
import { Queue } from './queue.ts'
import { MapRelease, releaseMap } from './release-map.ts'

/** Attributes freed by one record: at most 17 blocks of names. */
const XATTRS_PER_STEP = 256

/** Orphans freed by one record that have nothing but their inode: two blocks. */
const PLAIN_PER_STEP = 256

const PENDING_MAPS = pendingMapKey(0, 0).slice(0, 1)

/** Something larger that is freed piece by piece: each step is a commit. */
export interface ReaperWork {
  /** Resolves with whether anything is left. */
  step(): Promise<boolean>
}

export class Reaper {
  private readonly engine: Engine
  private readonly orphans = new Queue<Ino>()
  private readonly maps: MapRelease[] = []
  private readonly trees: ReaperWork[] = []
  /** Whether any of the orphans has space to give back. */
  private hasSpace = false
  /** What of the first orphan is freed already. */
  private orphanMap: MapRelease | undefined
  private underWay: Promise<boolean> | undefined
  /** Called when there is work; the session then calls `step` until there is none. */
  onWork: () => void = () => undefined

  constructor(engine: Engine) {
    this.engine = engine
  }

  get isIdle(): boolean {
    return this.orphans.count + this.maps.length + this.trees.length === 0
  }

  /**
   * Whether there is more than some empty files to free. With those it is better to wait a little, for
   * one commit frees many.
   */
  get isUrgent(): boolean {
    const { orphans, maps, trees } = this
    return maps.length + trees.length > 0 || this.hasSpace || orphans.count >= PLAIN_PER_STEP
  }

  addOrphan(ino: Ino): void {
    this.orphans.push(ino)
    this.hasSpace ||= !this.isPlain(ino)
    this.onWork()
  }

  /** A generation that a truncation replaced; its blocks belong to nobody else. */
  addMap(ino: Ino, generation: number): void {
    this.maps.push(new MapRelease(this.engine, ino, generation))
    this.onWork()
  }

  /** A tree of names; what loses its last name there becomes an orphan. */
  addTree(tree: ReaperWork): void {
    this.trees.push(tree)
    this.onWork()
  }

  /**
   * Does one piece of work; resolves with whether more is left. What fails, as when the disk does not
   * read a map, is left to the next mount, so that it holds up nothing else.
   */
  async step(): Promise<boolean> {
    this.underWay ??= this.stepOnce().finally(() => {
      this.underWay = undefined
    })
    return this.underWay
  }

  /** Does all of it; throws the first error in the end. */
  async drain(): Promise<void> {
    const errors: unknown[] = []
    while (!this.isIdle && this.canWork) {
      await this.step().catch((error: unknown) => errors.push(error))
    }
    if (errors.length > 0) throw errors[0]
  }

  private get canWork(): boolean {
    return !this.engine.health.failed && !this.engine.health.readOnly
  }

  private async stepOnce(): Promise<boolean> {
    if (!this.canWork) return false
    let isDone = true
    const [map] = this.maps
    if (map !== undefined) {
      try {
        isDone = await this.release(map)
      } finally {
        if (isDone) this.maps.shift()
      }
      return !this.isIdle
    }
    // Orphans first, so that a large tree does not become a long list of them.
    if (this.orphans.count === 0) return this.stepTree()
    const next = this.orphans.first(PLAIN_PER_STEP)
    let doneCount = 1
    try {
      doneCount = await this.reapNext(next)
    } finally {
      this.orphans.drop(doneCount)
      if (doneCount > 0) this.orphanMap = undefined
      if (this.orphans.count === 0) this.hasSpace = false
    }
    return !this.isIdle
  }

  private async stepTree(): Promise<boolean> {
    const [tree] = this.trees
    let isDone = true
    try {
      isDone = !((await tree?.step()) ?? false)
    } finally {
      if (isDone) this.trees.shift()
    }
    return !this.isIdle
  }

  private async release(map: MapRelease): Promise<boolean> {
    if (await map.step()) return false
    await this.forgetMap(map.ino, map.generation)
    return true
  }

  private async forgetMap(ino: Ino, generation: number): Promise<void> {
    while (!this.engine.hasRoom) await this.engine.room()
    const change = this.engine.begin()
    change.removePendingMap(ino, generation)
    this.engine.commit(change)
  }

  /** Frees a part of the first orphan, or all of several; resolves with how many are done. */
  private async reapNext(next: readonly Ino[]): Promise<number> {
    const plainCount = countWhile(next, (ino) => this.isPlain(ino))
    if (plainCount > 1) return this.reapPlain(next.slice(0, plainCount))
    const [orphan] = next
    return orphan === undefined || (await this.reap(orphan)) ? 1 : 0
  }

  /** Whether an orphan has neither blocks nor attributes; there may be other maps of it still. */
  private isPlain(ino: Ino): boolean {
    const inode = this.engine.inodes.find(ino)
    if (inode === undefined || inode.nlink > 0 || mayMap(inode)) return false
    return (inode.flags & INODE_HAS_XATTRS) === 0
  }

  /** Frees such orphans in one commit, up to the first that has other maps; resolves with how many. */
  private async reapPlain(next: readonly Ino[]): Promise<number> {
    const { engine } = this
    const { metadata, maps } = engine.store
    // One look does for all, and mostly finds nothing.
    const others = new Set<Ino>()
    const take = (key: string): void => void (isWellFormed(key) && others.add(u64FromKey(key, 1)))
    await metadata.each(PENDING_MAPS, take, take)
    while (!engine.hasRoom) await engine.room()
    const count = countWhile(next, (ino) => !others.has(ino) && this.isPlain(ino))
    if (count === 0) return (await this.reap(next[0] ?? 0)) ? 1 : 0
    const change = engine.begin()
    for (const ino of next.slice(0, count)) {
      change.removeOrphan(ino)
      change.removeInode(ino)
    }
    engine.commit(change)
    for (const ino of next.slice(0, count)) maps.forget(ino)
    return count
  }

  /** Frees a part of an orphan; resolves with whether it was the last. */
  private async reap(ino: Ino): Promise<boolean> {
    const inode = this.engine.inodes.find(ino)
    const { metadata, maps } = this.engine.store
    // Only on a damaged volume: what has a name is not freed.
    if (inode !== undefined && inode.nlink > 0) return true
    if (inode !== undefined && mayMap(inode)) {
      this.orphanMap ??= new MapRelease(this.engine, ino, inode.mapGeneration)
      if (await this.orphanMap.step()) return false
    }
    const listed = await metadata.scan(pendingMapKey(ino, 0).slice(0, 9))
    const pending = listed.filter(([key]) => isWellFormed(key))
    for (const [key] of pending) await releaseMap(this.engine, ino, u32FromKey(key, 9), undefined)
    const hasXattrs = inode === undefined || (inode.flags & INODE_HAS_XATTRS) !== 0
    const xattrs = hasXattrs ? await metadata.scan(xattrGroup(ino)) : []
    while (!this.engine.hasRoom) await this.engine.room()
    const change = this.engine.begin()
    for (const [key] of xattrs.slice(0, XATTRS_PER_STEP)) change.removeXattr(ino, key.slice(9))
    if (xattrs.length > XATTRS_PER_STEP) {
      this.engine.commit(change)
      return false
    }
    for (const [key] of pending) change.removePendingMap(ino, u32FromKey(key, 9))
    change.removeOrphan(ino)
    change.removeInode(ino)
    this.engine.commit(change)
    maps.forget(ino)
    return true
  }
}

/** How many at the beginning are so. */
function countWhile(inos: readonly Ino[], isSo: (ino: Ino) => boolean): number {
  const end = inos.findIndex((ino) => !isSo(ino))
  return end < 0 ? inos.length : end
}

/** A file's size bounds what it maps; of an orphan that a crash left, the count does not. */
function mayMap({ size, blockCount }: Inode): boolean {
  return size > 0 || blockCount > 0
}
