/**
 * Frees what nobody refers to any more: files without a name that the kernel has forgotten, and the
 * maps that truncations replaced. Owns no timer: the session calls `step`, and so do tests. Every
 * step is a commit, and the orphan key stays until the last one, so a crash only means going on.
 */
import type { Ino } from '../store/inode.ts'
import { isWellFormed, pendingMapKey, u32FromKey, xattrGroup } from '../store/keys.ts'
import type { Engine } from './engine.ts'
import { MapRelease, releaseMap } from './release-map.ts'

/** Attributes freed by one record: at most 17 blocks of names. */
const XATTRS_PER_STEP = 256

/** Something larger that is freed piece by piece: each step is a commit. */
export interface ReaperWork {
  /** Resolves with whether anything is left. */
  step(): Promise<boolean>
}

export class Reaper {
  private readonly engine: Engine
  private readonly orphans: Ino[] = []
  private readonly maps: MapRelease[] = []
  private readonly trees: ReaperWork[] = []
  /** What of the first orphan is freed already. */
  private orphanMap: MapRelease | undefined
  private underWay: Promise<boolean> | undefined
  /** Called when there is work; the session then calls `step` until there is none. */
  onWork: () => void = () => undefined

  constructor(engine: Engine) {
    this.engine = engine
  }

  get isIdle(): boolean {
    return this.orphans.length + this.maps.length + this.trees.length === 0
  }

  addOrphan(ino: Ino): void {
    this.orphans.push(ino)
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
    const [orphan] = this.orphans
    // Orphans first, so that a large tree does not become a long list of them.
    if (orphan === undefined) return this.stepTree()
    try {
      isDone = await this.reap(orphan)
    } finally {
      if (isDone) {
        this.orphans.shift()
        this.orphanMap = undefined
      }
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

  /** Frees a part of an orphan; resolves with whether it was the last. */
  private async reap(ino: Ino): Promise<boolean> {
    const inode = this.engine.inodes.find(ino)
    const { metadata, maps } = this.engine.store
    // Only on a damaged volume: what has a name is not freed.
    if (inode !== undefined && inode.nlink > 0) return true
    // Its size bounds what it maps; of an orphan that a crash left, the count does not.
    if (inode !== undefined && Math.max(inode.size, inode.blockCount) > 0) {
      this.orphanMap ??= new MapRelease(this.engine, ino, inode.mapGeneration)
      if (await this.orphanMap.step()) return false
    }
    const listed = await metadata.scan(pendingMapKey(ino, 0).slice(0, 9))
    const pending = listed.filter(([key]) => isWellFormed(key))
    for (const [key] of pending) await releaseMap(this.engine, ino, u32FromKey(key, 9), undefined)
    const xattrs = await metadata.scan(xattrGroup(ino))
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
