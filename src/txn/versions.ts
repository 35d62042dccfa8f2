/**
 * Published versions of files that handles go on reading, in memory only. The newest is the data fork
 * as it is; each older one keeps what the next publish took away:
 *
 *   oldest ── older ── newest
 *      └ overlay  └ overlay  └ nothing: the extent map
 *
 * A version reads a block from the first overlay that has it, from its own towards newer ones, and
 * from the extent map if none has. So a publish costs as much as it changes, however many versions
 * there are. A version that nobody needs any more hands its overlay over to the next older one.
 *
 * Blocks in overlays are borrowed: they keep their content when the file loses them, and nothing is
 * written home over them. All of that is forgotten with the daemon; a crash leaves nothing to free.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { invariant } from '../errors.ts'
import type { ExtentMap } from '../store/extent-maps.ts'
import type { Ino, Inode } from '../store/inode.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import { type Op, blockCountOf } from '../store/ops.ts'
import type { Store } from '../store/store.ts'
import { ByteRanges } from './byte-ranges.ts'
import type { Change } from './change.ts'
import type { Inodes } from './inodes.ts'
import { type OldBlock, Overlay } from './overlay.ts'

/** What a version says of the file as a whole. */
export type PublishedState = Pick<Inode, 'size' | 'mtimeNs' | 'commitSeq' | 'blockCount'>

export class Version implements PublishedState {
  readonly ino: Ino
  readonly overlay: Overlay
  /** What the publishes from this version to the next one have written. */
  readonly changed = new ByteRanges()
  /** Whether one of them has changed the size, or cut content off. */
  isResized = false
  pinCount = 0
  older: Version | undefined
  newer: Version | undefined
  private readonly inodes: Inodes
  private kept: PublishedState | undefined

  constructor(ino: Ino, inodes: Inodes, store: Store) {
    this.ino = ino
    this.inodes = inodes
    this.overlay = new Overlay(store)
  }

  /** Whether the file is as this version has it. */
  get isNewest(): boolean {
    return this.kept === undefined
  }

  get size(): number {
    return this.state.size
  }

  get mtimeNs(): bigint {
    return this.state.mtimeNs
  }

  get commitSeq(): number {
    return this.state.commitSeq
  }

  get blockCount(): number {
    return this.state.blockCount
  }

  /** Where the last content ends that this version or an older one has. */
  get reach(): number {
    return Math.max(this.size, this.older?.reach ?? 0)
  }

  /** Something newer is about to be published. */
  supersede(): void {
    const { size, mtimeNs, commitSeq, blockCount } = this.state
    this.kept = { size, mtimeNs, commitSeq, blockCount }
  }

  private get state(): PublishedState {
    return this.kept ?? this.inodes.get(this.ino)
  }
}

export class Versions {
  private readonly inodes: Inodes
  private readonly store: Store
  private readonly last = new Map<Ino, Version>()

  constructor(inodes: Inodes, store: Store) {
    this.inodes = inodes
    this.store = store
  }

  /** Whether any version of a file is pinned. */
  has(ino: Ino): boolean {
    return this.last.has(ino)
  }

  /** Keeps the file as it is now readable until `unpin`. */
  pin(ino: Ino): Version {
    const last = this.last.get(ino)
    const version = last?.isNewest === true ? last : this.add(ino, last)
    version.pinCount++
    return version
  }

  unpin(version: Version): void {
    invariant(version.pinCount > 0, 'a version is unpinned as often as it was pinned')
    version.pinCount--
    if (version.pinCount === 0) this.remove(version)
  }

  /** What a version has at a file block; undefined if that is what the extent map has. */
  find(version: Version, fileBlock: number): OldBlock | undefined {
    for (let each: Version | undefined = version; each !== undefined; each = each.newer) {
      const old = each.overlay.find(fileBlock)
      if (old !== undefined) return old
    }
    return undefined
  }

  /** Leaves of which a version has something that the extent map may not have. */
  *leafIndexes(version: Version): Generator<number, void> {
    for (let each: Version | undefined = version; each !== undefined; each = each.newer) {
      yield* each.overlay.leafIndexes()
    }
  }

  /** Keeps what a commit is about to change of pinned versions. Requires: it is applied next. */
  beforeCommit(change: Change, ops: readonly Op[]): void {
    if (this.last.size === 0) return
    for (const draft of change.drafts.values()) {
      const version = this.last.get(draft.ino)
      if (version !== undefined) this.keepFor(version, draft, change, ops)
    }
  }

  private keepFor(version: Version, draft: Inode, change: Change, ops: readonly Op[]): void {
    const { ino } = draft
    const inode = this.inodes.get(ino)
    const isFlip = draft.mapGeneration !== inode.mapGeneration
    const mapOps = ops.filter((op) => isMapOp(op) && op.ino === ino)
    const written = change.written.get(ino) ?? writtenBy(mapOps, inode, draft)
    const isResized = draft.size !== inode.size || change.cut.has(ino)
    if (!isFlip && mapOps.length === 0 && written.isEmpty && !isResized) return
    if (version.isNewest) version.supersede()
    const kept = { version, inode, reach: version.reach }
    if (isFlip) this.keepGeneration(kept, draft, change.touchedLeaves.get(ino))
    for (const op of mapOps) {
      const isSeen =
        isMapOp(op) && [inode.mapGeneration, draft.mapGeneration].includes(op.generation)
      if (isSeen) this.keepOp(kept, op)
    }
    version.changed.addAll(written)
    version.isResized ||= isResized
  }

  private keepOp(kept: Kept, op: MapOp): void {
    const { ino, mapGeneration } = kept.inode
    const map = this.store.maps.get(ino, mapGeneration)
    for (let i = 0; i < blockCountOf(op); i++) {
      const fileBlock = op.fileBlock + i
      const block = map.block(fileBlock)
      const next = 'block' in op ? op.block + i : 0
      invariant(op.type !== 'page' || block !== next, 'no page goes home over a pinned version')
      if (block !== next) keepBlock(kept, map, fileBlock)
    }
  }

  /** Keeps what the next generation of a map has otherwise, in these leaves or in all. */
  private keepGeneration(
    kept: Kept,
    { ino, mapGeneration }: Inode,
    leaves: Iterable<number> = allLeaves(kept.reach),
  ): void {
    const { maps } = this.store
    const map = maps.get(ino, kept.inode.mapGeneration)
    const next = maps.get(ino, mapGeneration)
    for (const leafIndex of leaves) {
      for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
        const fileBlock = leafIndex * LEAF_BLOCKS + slot
        if (map.block(fileBlock) === next.block(fileBlock)) continue
        keepBlock(kept, map, fileBlock)
      }
    }
  }

  private add(ino: Ino, last: Version | undefined): Version {
    const version = new Version(ino, this.inodes, this.store)
    version.older = last
    if (last !== undefined) last.newer = version
    this.last.set(ino, version)
    return version
  }

  private remove(version: Version): void {
    const { ino, older, newer, overlay } = version
    if (older === undefined) {
      overlay.drop()
    } else {
      overlay.moveTo(older.overlay, older.reach)
      older.changed.addAll(version.changed)
      older.isResized ||= version.isResized
      older.newer = newer
    }
    if (newer !== undefined) newer.older = older
    else if (older !== undefined) this.last.set(ino, older)
    else this.last.delete(ino)
  }
}

/** What is being published over a version. */
interface Kept {
  readonly version: Version
  /** As it is still. */
  readonly inode: Inode
  /** Where the last content ends that anybody may read. */
  readonly reach: number
}

function keepBlock({ version, reach }: Kept, map: ExtentMap, fileBlock: number): void {
  if (fileBlock * BLOCK_SIZE >= reach) return
  const leaf = map.leaf(Math.floor(fileBlock / LEAF_BLOCKS))
  const slot = fileBlock % LEAF_BLOCKS
  const old = { block: leaf?.block(slot) ?? 0, checksum: leaf?.checksum(slot) ?? 0 }
  version.overlay.keep(fileBlock, old)
}

type MapOp = Exclude<Op, { readonly type: 'put' | 'del' }>

const isMapOp = (op: Op): op is MapOp => op.type !== 'put' && op.type !== 'del'

/** What a commit writes that does not say it byte by byte: whole blocks, and where the end moves. */
function writtenBy(ops: readonly Op[], { size }: Inode, draft: Inode): ByteRanges {
  const written = new ByteRanges()
  for (const op of ops) {
    if (!isMapOp(op)) continue
    written.add(op.fileBlock * BLOCK_SIZE, (op.fileBlock + blockCountOf(op)) * BLOCK_SIZE)
  }
  written.add(Math.min(size, draft.size), Math.max(size, draft.size))
  return written
}

function* allLeaves(reach: number): Generator<number, void> {
  const end = Math.ceil(reach / BLOCK_SIZE / LEAF_BLOCKS)
  for (let leafIndex = 0; leafIndex < end; leafIndex++) yield leafIndex
}
