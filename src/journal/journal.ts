/**
 * The redo journal: appends commits to the ring and makes them durable, in order.
 *
 * Argument. A record is appended in one tick and applied to memory in the same tick, so memory and
 * ring never disagree on the order of commits. Durability comes in one of two ways, both for all
 * records up to a sequence and one at a time:
 *
 *   a. nothing written is waiting for a flush: the waiting records are one aligned write that
 *      returns when they are durable. A crash before its end leaves a record torn, which its
 *      checksum shows: the old state. After its end: the new one. Nothing behind a torn record was
 *      acknowledged, because nothing is acknowledged before the writes before it.
 *   b. otherwise records are written to the host's cache at once, so that the death of the daemon
 *      loses nothing, and a flush makes all of them durable together. A power cut may then keep a
 *      later record and lose an earlier one. Neither was acknowledged as durable: every record
 *      says up to where everything was durable when it was made, and recovery stops at the first
 *      gap; only a record that claims the gap was durable shows a damaged ring.
 *
 * A commit too large for one record is several, appended in the same tick, each of which says how
 * many follow. Recovery takes them all or none: without the last one it ends before the first.
 */
import type { Ring } from '../device/device.ts'
import { FsError, invariant } from '../errors.ts'
import type { Health } from '../health.ts'
import type { Op } from '../store/ops.ts'
import { Arena } from './arena.ts'
import { Pace } from './pace.ts'
import { commitBlocksMax, encodeRecord, recordBlocksMax } from './record.ts'
import { type Part, splitCommit } from './split.ts'

/** Where a journal goes on. */
export interface JournalState {
  readonly commitSeq: number
  /** Next position and the oldest one still needed, in blocks since the volume was made. */
  readonly head: number
  readonly tail: number
  readonly epoch: number
  readonly volume: number
}

/** Records behind `checkpointSeq`, from `tail` on; those up to `durableSeq` are in the ring. */
export interface LiveRing {
  readonly tail: number
  readonly head: number
  readonly checkpointSeq: number
  readonly durableSeq: number
  readonly epoch: number
  readonly volume: number
}

export class Journal {
  private readonly ring: Ring
  private readonly health: Health
  private readonly clock: () => bigint
  private readonly arena: Arena
  private readonly pace = new Pace()
  private readonly epoch: number
  private readonly volume: number
  private lastSeq: number
  private durableSeq: number
  private checkpointSeq: number
  private head: number
  private tail: number
  /** Whether something was written and not flushed since. */
  private unflushed = false
  /** Whether the last flush was for several commits: then the next one waits a turn for more. */
  private isShared = false
  private flushUnderWay: Promise<void> | undefined
  /** Whether a durable write is under way, which the death of the daemon could tear. */
  private isWriting = false
  private readonly roomWaiters: (() => void)[] = []
  /** Called when somebody waits for room, so that a checkpoint makes some. */
  onPressure: () => void = () => undefined

  constructor(ring: Ring, health: Health, state: JournalState, clock: () => bigint) {
    this.ring = ring
    this.health = health
    this.clock = clock
    this.epoch = state.epoch
    this.volume = state.volume
    this.lastSeq = state.commitSeq
    this.durableSeq = state.commitSeq
    this.checkpointSeq = state.commitSeq
    this.head = state.head
    this.tail = state.tail
    this.arena = new Arena(this.recordBlocksMax * 4096)
  }

  get commitSeq(): number {
    return this.lastSeq
  }

  /** Whether everything that was appended is durable. */
  get isDurable(): boolean {
    return this.durableSeq === this.lastSeq
  }

  get position(): number {
    return this.head
  }

  /** What of the ring a recovery would need now. */
  get live(): LiveRing {
    const { tail, head, checkpointSeq, durableSeq, epoch, volume } = this
    return { tail, head, checkpointSeq, durableSeq, epoch, volume }
  }

  get usedBlocks(): number {
    return this.head - this.tail
  }

  get blockCount(): number {
    return this.ring.blockCount
  }

  /** The largest record of this ring, in blocks: small rings take small commits. */
  get recordBlocksMax(): number {
    return recordBlocksMax(this.ring.blockCount)
  }

  /** The largest commit of this ring, in blocks of all of its records. */
  get commitBlocksMax(): number {
    return commitBlocksMax(this.ring.blockCount)
  }

  /**
   * Whether a commit of this size can be appended now, whatever the end of the ring costs. One that
   * is answered before it is durable must not lie behind a write that a kill could still tear.
   */
  hasRoom(blockCount: number, soon = false): boolean {
    return this.fits(blockCount) && (soon || !this.isWriting)
  }

  /** Resolves when a commit of this size could be appended; a checkpoint makes the room. */
  async room(blockCount: number, soon = false): Promise<void> {
    while (!this.hasRoom(blockCount, soon)) {
      this.health.assertWritable()
      if (!this.fits(blockCount)) this.onPressure()
      await new Promise<void>((resolve) => {
        this.roomWaiters.push(resolve)
      })
    }
  }

  /**
   * Appends one commit and returns its last sequence. With `soon` a flush follows at once, so the
   * record may wait for it in memory; otherwise it survives the daemon when this returns.
   * Requires: there is room. Throws FsError EIO when the volume has failed, EFBIG.
   */
  append(ops: readonly Op[], soon: boolean): number {
    this.health.assertWritable()
    const parts = splitCommit(ops, this.recordBlocksMax)
    for (const [i, part] of parts.entries()) this.appendPart(part, parts.length - 1 - i)
    if (!soon) this.writeWaiting()
    return this.lastSeq
  }

  private appendPart({ ops, blockCount }: Part, partsLeft: number): void {
    if (!this.arena.fits(blockCount)) this.writeWaiting()
    const position = this.place(blockCount)
    const header = {
      commitSeq: this.lastSeq + 1,
      position,
      epoch: this.epoch,
      volume: this.volume,
      durableSeq: this.durableSeq,
      checkpointSeq: this.checkpointSeq,
      timeNs: this.clock(),
      partsLeft,
    }
    encodeRecord(header, ops, this.arena.take(position % this.ring.blockCount, blockCount))
    this.head = position + blockCount
    this.lastSeq++
  }

  /**
   * Asks for a checkpoint when the ring fills up. Requires: everything that was appended has been
   * applied, because a checkpoint that starts now claims to hold all of it.
   */
  relieve(): void {
    if (this.usedBlocks > this.ring.blockCount / 4) this.onPressure()
  }

  /** Resolves when everything appended before the call is durable. */
  async flush(): Promise<void> {
    const target = this.lastSeq
    while (this.durableSeq < target) {
      this.health.assertDurable()
      this.flushUnderWay ??= this.flushOnce().finally(() => {
        this.flushUnderWay = undefined
      })
      await this.flushUnderWay
    }
    this.health.assertDurable()
  }

  /** A checkpoint has made the index hold everything up to `commitSeq`, which ended at `position`. */
  release(commitSeq: number, position: number): void {
    this.checkpointSeq = commitSeq
    this.durableSeq = Math.max(this.durableSeq, commitSeq)
    this.tail = position
  }

  /** A checkpoint is over, or the volume has failed: whoever waits for room looks again. */
  wake(): void {
    for (const resolve of this.roomWaiters.splice(0)) resolve()
  }

  private fits(blockCount: number): boolean {
    return this.usedBlocks + 2 * blockCount <= this.ring.blockCount
  }

  /** A record does not wrap: if it does not fit before the end of the ring it starts at its begin. */
  private place(blockCount: number): number {
    const offset = this.head % this.ring.blockCount
    const skip = offset + blockCount > this.ring.blockCount ? this.ring.blockCount - offset : 0
    const position = this.head + skip
    invariant(
      position + blockCount - this.tail <= this.ring.blockCount,
      'a record does not overwrite one that is still needed',
    )
    return position
  }

  private writeWaiting(): void {
    if (this.arena.isEmpty) return
    try {
      this.unflushed = true
      for (const { ringBlock, data } of this.arena.drain()) this.ring.write(ringBlock, data)
    } catch (error) {
      this.health.fail(error)
      throw new FsError('EIO', 'Cannot write the journal', { cause: error })
    }
  }

  private async flushOnce(): Promise<void> {
    if (this.isShared) await new Promise(setImmediate)
    const seq = this.lastSeq
    this.isShared = seq - this.durableSeq > 1
    const mayBlock = this.pace.isQuick
    const started = performance.now()
    try {
      if (this.unflushed) {
        this.writeWaiting()
        this.unflushed = false
        await this.ring.flush(mayBlock)
      } else {
        await this.writeDurably(mayBlock)
      }
      this.pace.note(performance.now() - started)
    } catch (error) {
      this.health.fail(error)
      throw new FsError('EIO', 'Cannot write the journal; the volume is now read-only', {
        cause: error,
      })
    }
    this.durableSeq = Math.max(this.durableSeq, seq)
  }

  private async writeDurably(mayBlock: boolean): Promise<void> {
    this.isWriting = true
    try {
      for (const { ringBlock, data } of this.arena.swap()) {
        await this.ring.writeDurable(ringBlock, data, mayBlock)
      }
    } finally {
      this.isWriting = false
    }
    if (this.roomWaiters.length === 0) return
    // Without a turn of their own they could find the next durable write under way, for ever.
    this.wake()
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}
