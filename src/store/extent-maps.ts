/**
 * The extent maps of all files: a page table for each, of leaves with 64 blocks. Leaves are read
 * from the index when they are needed, changed in memory by commits, and written by checkpoints.
 * There is no split or merge: a leaf's place is its number.
 */
import type { BlockNo, IndexOp } from '../device/device.ts'
import type { Ino } from './inode.ts'
import { u32FromKey, leafKey, leafPrefix } from './keys.ts'
import { LEAF_BLOCKS, Leaf, decodeLeaf, encodeLeaf } from './leaf.ts'
import { type Metadata, sealValue } from './metadata.ts'

/** Leaves kept in memory beyond which unchanged ones are dropped: about 45 MB. */
const CACHED_LEAVES_MAX = 65_536

/** Maps kept in memory beyond which empty ones are dropped, too. */
const CACHED_FILES_MAX = 65_536

/** Leaves of one map remembered as absent. */
const ABSENT_LEAVES_MAX = 1024

/** Leaves whose keys are read from the index at a time. */
const LEAVES_PER_LOOK = 256

interface Place {
  readonly map: ExtentMap
  readonly leafIndex: number
}

/** One generation of one file's extent map. */
export class ExtentMap {
  readonly ino: Ino
  readonly generation: number
  readonly leaves = new Map<number, Leaf>()
  /** Whether what has no leaf is a hole, or could be a leaf that the index has lost. */
  holes: 'unknown' | 'sure' | 'doubtful' = 'unknown'
  /** Leaves that the index does not have, so that writing a new file asks once for each. */
  private readonly absent = new Set<number>()
  private readonly maps: ExtentMaps

  constructor(maps: ExtentMaps, ino: Ino, generation: number) {
    this.maps = maps
    this.ino = ino
    this.generation = generation
  }

  /** The leaf with this number, if any of its blocks was ever mapped. */
  leaf(leafIndex: number): Leaf | undefined {
    const cached = this.leaves.get(leafIndex)
    if (cached !== undefined || this.absent.has(leafIndex)) return cached
    const stored = this.maps.load(this, leafIndex)
    if (stored === undefined) this.noteAbsent(leafIndex)
    return stored
  }

  /** The block of a file block; 0 for a hole. */
  block(fileBlock: number): BlockNo {
    return this.leaf(Math.floor(fileBlock / LEAF_BLOCKS))?.block(fileBlock % LEAF_BLOCKS) ?? 0
  }

  /** The leaf of a file block, made if there is none: once it is here, nothing can fail to read it. */
  ensureLeaf(fileBlock: number): Leaf {
    const leafIndex = Math.floor(fileBlock / LEAF_BLOCKS)
    const found = this.leaf(leafIndex)
    if (found !== undefined) return found
    this.absent.delete(leafIndex)
    return this.maps.add(this, leafIndex, new Leaf())
  }

  private noteAbsent(leafIndex: number): void {
    if (this.absent.size >= ABSENT_LEAVES_MAX) this.absent.clear()
    this.absent.add(leafIndex)
  }

  /** Maps a file block, or unmaps it with block 0; returns the block that was there. */
  set(fileBlock: number, block: BlockNo, checksum: number): BlockNo {
    const leafIndex = Math.floor(fileBlock / LEAF_BLOCKS)
    const leaf = block === 0 ? this.leaf(leafIndex) : this.ensureLeaf(fileBlock)
    if (leaf === undefined) return 0
    if (!leaf.dirty) this.maps.markDirty(this, leafIndex, leaf)
    return leaf.set(fileBlock % LEAF_BLOCKS, block, checksum)
  }

  /** Empties the leaf of a file block; whoever else maps its blocks keeps them. */
  dropLeaf(fileBlock: number): void {
    const first = fileBlock - (fileBlock % LEAF_BLOCKS)
    for (let i = 0; i < LEAF_BLOCKS; i++) this.set(first + i, 0, 0)
  }

  /** Numbers of leaves from `fromLeaf` on that map something, in order, and at most `count`. */
  async existingLeaves(fromLeaf: number, count = Infinity): Promise<number[]> {
    const { maps, ino, generation } = this
    // Never this object after an await: the leaves of another one may be the current ones then.
    const isMapped = (leafIndex: number): boolean =>
      (maps.get(ino, generation).leaf(leafIndex)?.mappedCount ?? 0) > 0
    const found = new Set<number>()
    for (let from = fromLeaf; ;) {
      const stored = await maps.storedLeaves(this, from, LEAVES_PER_LOOK)
      for (const leafIndex of stored) if (isMapped(leafIndex)) found.add(leafIndex)
      from = (stored.at(-1) ?? 0) + 1
      if (stored.length < LEAVES_PER_LOOK || found.size >= count) break
    }
    for (const leafIndex of maps.get(ino, generation).leaves.keys()) {
      if (leafIndex >= fromLeaf && isMapped(leafIndex)) found.add(leafIndex)
    }
    return [...found].toSorted((a, b) => a - b).slice(0, count)
  }
}

export class ExtentMaps {
  private readonly metadata: Metadata
  private readonly byFile = new Map<Ino, ExtentMap[]>()
  private readonly dirty = new Map<Leaf, Place>()
  /** Leaves that the checkpoint under way takes out of the index. */
  private emptied: readonly (readonly [Leaf, Place])[] = []
  private cachedCount = 0
  /** Whether leaves that count as unchanged are not in the index yet. */
  private isCaptured = false

  constructor(metadata: Metadata) {
    this.metadata = metadata
  }

  get dirtyCount(): number {
    return this.dirty.size
  }

  /** The map of a file; always the same object for the same file and generation. */
  get(ino: Ino, generation: number): ExtentMap {
    let generations = this.byFile.get(ino)
    if (generations === undefined) {
      generations = []
      this.byFile.set(ino, generations)
    }
    let map = generations.find((candidate) => candidate.generation === generation)
    if (map === undefined) {
      map = new ExtentMap(this, ino, generation)
      generations.push(map)
    }
    return map
  }

  /** A leaf that is in memory; what is not there is in the index as it is now. */
  peek(ino: Ino, generation: number, leafIndex: number): Leaf | undefined {
    const maps = this.byFile.get(ino)
    return maps?.find((map) => map.generation === generation)?.leaves.get(leafIndex)
  }

  /** Numbers of the leaves that are in memory, of which the index may know nothing yet. */
  peekLeaves(ino: Ino, generation: number): number[] {
    const map = this.byFile.get(ino)?.find((each) => each.generation === generation)
    return map === undefined ? [] : [...map.leaves.keys()]
  }

  load(map: ExtentMap, leafIndex: number): Leaf | undefined {
    const body = this.metadata.get(leafKey(map.ino, map.generation, leafIndex))
    return body === undefined ? undefined : this.add(map, leafIndex, decodeLeaf(body))
  }

  add(map: ExtentMap, leafIndex: number, leaf: Leaf): Leaf {
    map.leaves.set(leafIndex, leaf)
    this.cachedCount++
    return leaf
  }

  markDirty(map: ExtentMap, leafIndex: number, leaf: Leaf): void {
    leaf.dirty = true
    this.dirty.set(leaf, { map, leafIndex })
  }

  /** Numbers of leaves in the index, from `fromLeaf` on and at most `limit`. */
  async storedLeaves(map: ExtentMap, fromLeaf: number, limit: number): Promise<number[]> {
    const prefix = leafPrefix(map.ino, map.generation)
    const from = leafKey(map.ino, map.generation, fromLeaf)
    const entries = await this.metadata.scan(prefix, { from, limit })
    return entries.map(([key]) => u32FromKey(key, prefix.length))
  }

  /** Takes the changed leaves for a checkpoint; changes from now on belong to the next one. */
  capture(): IndexOp[] {
    this.isCaptured = true
    const operations: IndexOp[] = []
    this.emptied = [...this.dirty].filter(([leaf]) => leaf.mappedCount === 0)
    for (const [leaf, { map, leafIndex }] of this.dirty) {
      const key = leafKey(map.ino, map.generation, leafIndex)
      leaf.dirty = false
      operations.push(
        leaf.mappedCount === 0
          ? { type: 'del', key }
          : { type: 'put', key, value: sealValue(key, encodeLeaf(leaf)) },
      )
    }
    this.dirty.clear()
    return operations
  }

  /** The captured leaves are in the index. */
  release(): void {
    this.isCaptured = false
    for (const [leaf, place] of this.emptied) if (!leaf.dirty) this.drop(leaf, place)
    this.emptied = []
    this.trim()
  }

  /** What is empty is no longer in the index: maps that were replaced leave nothing behind. */
  private drop(leaf: Leaf, { map, leafIndex }: Place): void {
    if (leaf.mappedCount > 0 || map.leaves.get(leafIndex) !== leaf) return
    // A map that was forgotten is not counted any more.
    if (this.byFile.get(map.ino)?.includes(map) !== true) return
    map.leaves.delete(leafIndex)
    this.cachedCount--
  }

  /** Drops unchanged leaves, and maps without any, when there are many. */
  trim(): void {
    if (this.isCaptured || this.holds(1)) return
    for (const [ino, generations] of this.byFile) {
      for (const map of generations) {
        for (const [leafIndex, leaf] of map.leaves) {
          if (leaf.dirty) continue
          map.leaves.delete(leafIndex)
          this.cachedCount--
        }
      }
      if (generations.every((map) => map.leaves.size === 0)) this.byFile.delete(ino)
      if (this.holds(0.5)) return
    }
  }

  /** Whether no more is in memory than this part of what may be. */
  private holds(part: number): boolean {
    return (
      this.cachedCount <= CACHED_LEAVES_MAX * part && this.byFile.size <= CACHED_FILES_MAX * part
    )
  }

  /** Forgets the map of a file that is gone. Requires: nothing of it is mapped. */
  forget(ino: Ino): void {
    for (const map of this.byFile.get(ino) ?? []) this.cachedCount -= map.leaves.size
    this.byFile.delete(ino)
  }
}
