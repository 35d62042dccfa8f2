/**
 * The one way by which the committed state changes: a change becomes one commit of the journal and,
 * in the same tick, part of the state in memory. Nothing awaits in between, so no reader sees half
 * of a commit and no commit is built on state that another one has changed since.
 */
import type { BlockNo } from '../device/device.ts'
import { FsError, invariant } from '../errors.ts'
import type { Health } from '../health.ts'
import type { Checkpointer } from '../journal/checkpoint.ts'
import type { Journal } from '../journal/journal.ts'
import { measureRecord } from '../journal/record.ts'
import { type Ino, type Inode, isFile, isIsolated } from '../store/inode.ts'
import type { Store } from '../store/store.ts'
import { Change } from './change.ts'
import { type Damage, damageError } from './damage.ts'
import { Inodes } from './inodes.ts'
import { PageMemory } from './page-memory.ts'
import { SharedClock } from './shared-clock.ts'
import { Versions } from './versions.ts'

/** Room that any change of metadata fits in, in blocks: the largest xattr and some inodes. */
const METADATA_BLOCKS_MAX = 24

export interface EngineParts {
  readonly store: Store
  readonly journal: Journal
  readonly checkpointer: Checkpointer
  readonly health: Health
  /** Nanoseconds since 1970. */
  readonly clock: () => bigint
  readonly inodeCounter: InodeCounter
}

/**
 * Freed blocks from which on a checkpoint makes them available, 64 MiB: a file that is replaced again and again
 * would have the volume grow meanwhile, and new space costs the host more than what was written before.
 */
const FREED_BLOCKS_MAX = 16_384

/** Numbers for new inodes; never one twice. */
export interface InodeCounter {
  next: Ino
}

export class Engine {
  readonly store: Store
  readonly journal: Journal
  readonly checkpointer: Checkpointer
  readonly health: Health
  readonly clock: () => bigint
  readonly inodes: Inodes
  readonly versions: Versions
  readonly pageMemory = new PageMemory()
  /** Writes of staged blocks of any file that have not returned; none of them rejects. */
  readonly spillsUnderWay = new Set<Promise<void>>()
  private readonly sharedClock: SharedClock
  private readonly inodeCounter: InodeCounter
  private stageCount = 0
  /** Freed blocks that call for a checkpoint; a test may take fewer. */
  freedBlocksMax = FREED_BLOCKS_MAX
  /** Told of a map that a truncation replaced, to be freed in the background. */
  onMapReplaced: (ino: Ino, generation: number) => void = () => undefined
  /** Told of an isolated file that is published, and how it was before. */
  onIsolatedChange: (before: Readonly<Inode>) => void = () => undefined
  /** Told of every commit, in the same tick. */
  onCommit: (change: Change) => void = () => undefined
  /** Told of damage that a reader has come across. */
  onDamage: (damage: Damage) => void = () => undefined

  constructor(parts: EngineParts) {
    this.store = parts.store
    this.journal = parts.journal
    this.checkpointer = parts.checkpointer
    this.health = parts.health
    this.sharedClock = new SharedClock(parts.clock)
    this.clock = this.sharedClock.now
    this.inodeCounter = parts.inodeCounter
    this.inodes = new Inodes(parts.store.metadata)
    this.versions = new Versions(this.inodes, parts.store)
  }

  /** A number for a new inode. A number that no commit uses is lost by a crash at most. */
  takeIno(): Ino {
    return this.inodeCounter.next++
  }

  /** The kernel has given a file this time; no change after it gets an earlier one. */
  hearTime(timeNs: bigint): void {
    this.sharedClock.hear(timeNs)
  }

  /** A number for a change of what is staged, never one twice while the volume is open. */
  takeStageSeq(): number {
    return ++this.stageCount
  }

  /** Tells of damage; returns the error that answers the reader. */
  damaged(damage: Damage): FsError {
    this.onDamage(damage)
    return damageError(damage)
  }

  begin(): Change {
    return new Change(this.inodes, this.journal.commitSeq)
  }

  /**
   * Commits a change and returns its last sequence. Atomic when this returns; durable after the next
   * `journal.flush()`. With `soon` the caller flushes at once.
   */
  commit(change: Change, soon = false): number {
    invariant(change.baseSeq === this.journal.commitSeq, 'nothing was committed since it was begun')
    const ops = change.finish()
    const { blockCount } = measureRecord(ops)
    if (blockCount > this.journal.commitBlocksMax) {
      throw new FsError('EFBIG', `A commit of ${blockCount} blocks does not fit this volume's ring`)
    }
    const freed = new Map<BlockNo, number>()
    for (const op of ops) this.store.prepare(op, freed)
    this.versions.beforeCommit(change, ops)
    const isolated = this.isolatedFiles(change)
    const commitSeq = this.journal.append(ops, soon)
    try {
      for (const op of ops) this.store.apply(op)
    } catch (error) {
      // The ring has all of the commit, memory a part: only recovery makes them one again.
      this.health.fail(error)
      throw error
    }
    for (const draft of change.drafts.values()) this.inodes.update(draft)
    for (const ino of change.removed) this.inodes.evict(ino)
    this.onCommit(change)
    // Either may start a checkpoint in this tick: it holds this commit, which is in the journal and in memory, and
    // its first step makes the journal durable up to here, so that no crash finds the one without the other.
    this.journal.relieve()
    if (this.store.allocator.freedCount >= this.freedBlocksMax) this.journal.onPressure()
    for (const before of isolated) this.onIsolatedChange(before)
    return commitSeq
  }

  /** Isolated files whose content a commit changes, as they are now. */
  private isolatedFiles(change: Change): readonly Inode[] {
    const found: Inode[] = []
    for (const draft of change.drafts.values()) {
      if (!isIsolated(draft) || !isFile(draft)) continue
      const inode = this.inodes.find(draft.ino)
      if (inode !== undefined && inode.commitSeq !== draft.commitSeq) found.push({ ...inode })
    }
    return found
  }

  /** Whether a change of metadata can be committed now; if not, wait for `room`. */
  get hasRoom(): boolean {
    return this.journal.hasRoom(METADATA_BLOCKS_MAX)
  }

  async room(): Promise<void> {
    await this.journal.room(METADATA_BLOCKS_MAX)
  }
}
