/**
 * The shadow fork of one file: everything that was written to it and is not published. Small pieces
 * are pages in memory; large runs, and pages when there are many, are already in blocks of the disk
 * that nothing published refers to. What lies in neither is the data fork, up to `cutBlock`.
 *
 * A savepoint freezes a fork and puts a new one over it: what lies in neither is then the fork
 * below. The file's own is always the topmost.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import type { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import { LEAF_BLOCKS, Leaf } from '../store/leaf.ts'
import { ByteRanges } from './byte-ranges.ts'
import { Lock } from './lock.ts'
import type { PublishedState, Version } from './versions.ts'

/** Stands in a spilled leaf for a block that the publish makes a hole. */
export const HOLE = 0xffff_ffff

export interface StagedPage {
  readonly data: Buffer
  /** Whether a block was set aside for it, because the data fork has none there. */
  readonly reserved: boolean
}

export class ShadowFork {
  /** What was staged at the last savepoint; frozen while this fork lies over it. */
  readonly parent: ShadowFork | undefined
  /** Staged size, in bytes. */
  size: number
  readonly pages = new Map<number, StagedPage>()
  readonly spilled = new Map<number, Leaf>()
  spilledCount = 0
  /** File blocks whose spilled block is that of another place of a map, borrowed from there. */
  readonly borrowed = new Set<number>()
  /** The data fork is cut off from this file block on. */
  cutBlock = Infinity
  /** The data fork is dropped as a whole; the publish starts a new generation of the map. */
  freshMap = false
  mtimeNs: bigint
  /** Of the last change that is staged; the inode may have a later one of its own. */
  ctimeNs: bigint
  /** Writes of spilled blocks that have not returned, those of the forks below included. */
  readonly writesUnderWay: Set<Promise<void>>
  /** A write was lost after the kernel had accepted it: publishing would tear the file. */
  broken: FsError | undefined
  /** Changes with every change of what is staged. */
  stageSeq = 0
  /** Commit that the fork is based on. */
  baseSeq: number
  /** What was written, byte by byte, where that has to be merged with what others publish. */
  readonly written: ByteRanges | undefined

  constructor(published: PublishedState, isIsolated = false, parent?: ShadowFork) {
    this.parent = parent
    this.size = parent?.size ?? published.size
    this.mtimeNs = parent?.mtimeNs ?? published.mtimeNs
    this.ctimeNs = parent?.ctimeNs ?? 0n
    this.baseSeq = parent?.baseSeq ?? published.commitSeq
    this.writesUnderWay = parent?.writesUnderWay ?? new Set()
    this.written = isIsolated ? new ByteRanges() : undefined
  }

  /** The content has changed. */
  touch(nowNs: bigint): void {
    this.mtimeNs = nowNs
    this.ctimeNs = nowNs
  }

  /** This fork and those below it. */
  *chain(): Generator<ShadowFork, void> {
    yield this
    if (this.parent !== undefined) yield* this.parent.chain()
  }

  /** Staged content, in bytes. */
  get stagedBytes(): number {
    return (this.pages.size + this.spilledCount) * BLOCK_SIZE + (this.parent?.stagedBytes ?? 0)
  }

  /** Whether anything is in blocks of the disk already. */
  get hasSpilled(): boolean {
    return this.spilledCount > 0 || (this.parent?.hasSpilled ?? false)
  }

  /** Whether the data fork is dropped as a whole, by this fork or by one below. */
  get dropsMap(): boolean {
    return this.freshMap || (this.parent?.dropsMap ?? false)
  }

  /** Whether nothing of what lies below this fork shows at a file block. */
  hides(fileBlock: number): boolean {
    return fileBlock >= this.cutBlock || this.freshMap
  }

  /** The block that a spilled file block is in, HOLE, or 0 if it is not spilled. */
  spilledBlock(fileBlock: number): number {
    return (
      this.spilled.get(Math.floor(fileBlock / LEAF_BLOCKS))?.block(fileBlock % LEAF_BLOCKS) ?? 0
    )
  }

  spilledChecksum(fileBlock: number): number {
    return (
      this.spilled.get(Math.floor(fileBlock / LEAF_BLOCKS))?.checksum(fileBlock % LEAF_BLOCKS) ?? 0
    )
  }

  /** Records where a file block was spilled to; returns the block that held it before, or 0. */
  setSpilled(fileBlock: number, block: number, checksum: number): number {
    const leafIndex = Math.floor(fileBlock / LEAF_BLOCKS)
    let leaf = this.spilled.get(leafIndex)
    if (leaf === undefined) {
      if (block === 0) return 0
      leaf = new Leaf()
      this.spilled.set(leafIndex, leaf)
    }
    const old = leaf.set(fileBlock % LEAF_BLOCKS, block, checksum)
    this.spilledCount += Number(isBlock(block)) - Number(isBlock(old))
    if (leaf.mappedCount === 0) this.spilled.delete(leafIndex)
    return isBlock(old) ? old : 0
  }

  /** Spilled file blocks in order, holes included. */
  *spilledEntries(): Generator<{ fileBlock: number; block: number; checksum: number }, void> {
    for (const leafIndex of [...this.spilled.keys()].toSorted((a, b) => a - b)) {
      const leaf = this.spilled.get(leafIndex)
      if (leaf === undefined) continue
      for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
        const block = leaf.block(slot)
        if (block === 0) continue
        yield { fileBlock: leafIndex * LEAF_BLOCKS + slot, block, checksum: leaf.checksum(slot) }
      }
    }
  }
}

/** Numbers of leaves of which anything is staged; some more than once. */
export function* stagedLeaves(top: ShadowFork | undefined): Generator<number, void> {
  for (const fork of top?.chain() ?? []) {
    for (const fileBlock of fork.pages.keys()) yield Math.floor(fileBlock / LEAF_BLOCKS)
    yield* fork.spilled.keys()
  }
}

function isBlock(block: number): boolean {
  return block !== 0 && block !== HOLE
}

/** From the first START of somebody to his COMMIT or last ABORT. */
export class Transaction {
  /** What was staged at each START; undefined: nothing. */
  readonly savepoints: (ShadowFork | undefined)[] = []
}

/**
 * What is known in memory of one regular file beyond its inode; or, made with the `shared` state of
 * the file, what one handle sees of it.
 */
export class FileState {
  readonly ino: Ino
  shadow: ShadowFork | undefined
  /** While there is one, nothing of the file is published but by its end. */
  transaction: Transaction | undefined
  /** Under way while the kernel still has to learn a size that was rolled back. */
  resizing: Promise<void> | undefined
  /** The part of that after which reading shows the size: the kernel may still drop pages. */
  sizeTaken: Promise<void> | undefined
  /** Under way while the kernel may still show what was discarded. */
  discarding: Promise<void> | undefined
  /** Under way while the content is replaced behind the kernel's back: reading waits. */
  replacing: Promise<void> | undefined
  /** Whether a process has closed its descriptor and kept the file mapped. */
  isMappedAfterClose = false
  /** Whether a writer's descriptor was closed after the last write, and after the last xattr was set. */
  isWrittenSinceFlush = false
  hasXattrsSinceFlush = false
  /** What was read for the kernel's cache, since somebody writes past it; undefined if nobody does. */
  cachedReads: ByteRanges | undefined
  /** Held by what changes the file and has to wait in the middle of it. */
  readonly lock: Lock
  /** Whether this is what one handle sees of an isolated file, with a shadow fork of its own. */
  readonly isIsolated: boolean
  /** The published version that it stands on; none stands on whatever is published. */
  base: Version | undefined
  /** Whether the handle is gone, so that it needs none any more. */
  isEnded = false

  constructor(ino: Ino, shared?: FileState) {
    this.ino = ino
    this.lock = shared?.lock ?? new Lock()
    this.isIsolated = shared !== undefined
  }
}
