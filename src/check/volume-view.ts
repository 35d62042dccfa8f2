/**
 * A volume as recovery would see it, for reading only: the index with the ring's records on top.
 * Whatever is damaged is told to a sink and left out, so that the rest can still be looked at.
 */
import { eachEntry } from '../device/each-entry.ts'
import type { Device, IndexOp, Ring } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { type Replayed, replayRing } from '../journal/recovery.ts'
import { Bitmap, GROUP_BLOCKS } from '../store/bitmap.ts'
import {
  MARKER_KEY,
  VOLUME_KEY,
  bitmapKey,
  isWellFormed,
  prefixEnd,
  sharesKey,
  u32FromKey,
} from '../store/keys.ts'
import { type Leaf, decodeLeaf } from '../store/leaf.ts'
import { type Marker, decodeMarker } from '../store/marker.ts'
import { openValue } from '../store/metadata.ts'
import { CommitCheck, type MapPlace } from '../store/commit-check.ts'
import { type Op, checkOp } from '../store/ops.ts'
import { SHARES_BLOCKS, decodeShares } from '../store/shares.ts'
import { type Superblock, checkFeatures, chooseSuperblock } from '../store/superblock.ts'
import { readSuperblocks, volumeMark } from '../volume/open.ts'
import { describeKey } from '../store/describe-key.ts'
import type { Sink } from './findings.ts'
import { Replay } from './replay.ts'

/** A key with its body; without one if the value is damaged, which the sink knows. */
export interface Entry {
  readonly key: IndexOp['key']
  readonly body: Uint8Array | undefined
}

export class VolumeView {
  readonly device: Device
  readonly superblock: Superblock
  readonly sink: Sink
  /** The bitmap with the records replayed, and where it could not be read. */
  readonly bitmap: Bitmap
  readonly unreadableGroups = new Set<number>()
  /** Keys whose stored value is damaged, also where records have made a part of it anew. */
  readonly damagedKeys = new Set<string>()
  /** Blocks with more than one owner, and how many more, with the records replayed. */
  readonly shares = new Map<number, number>()
  /** Blocks that the bitmap of the last checkpoint has. */
  storedMappedCount = 0
  marker: Marker | undefined
  replayed: Replayed | undefined
  private readonly replay: Replay

  private constructor(device: Device, superblock: Superblock, sink: Sink) {
    this.device = device
    this.superblock = superblock
    this.sink = sink
    this.bitmap = new Bitmap(device.blocks.blockCount)
    this.replay = new Replay(this.bitmap, this.shares, (key) => this.loadLeaf(key))
  }

  /**
   * With `salvage` records are found in another way than by recovery, and as far as possible applied.
   * Throws FsError EINVAL where there is no superblock that this program can read.
   */
  static async open(
    device: Device,
    name: string,
    sink: Sink,
    salvage?: Replayer,
  ): Promise<VolumeView> {
    const superblock = chooseSuperblock(name, readSuperblocks(device))
    checkFeatures(name, superblock)
    const view = new VolumeView(device, superblock, sink)
    view.marker = view.decode(MARKER_KEY, view.stored(MARKER_KEY), decodeMarker)
    await view.loadBitmap()
    await view.loadShares()
    view.replayRecords(salvage)
    return view
  }

  /** What the records have changed: bodies, or null for a deleted key. */
  get changes(): ReadonlyMap<string, Uint8Array | null> {
    return this.replay.values
  }

  /** Pages of the records that are not at home yet. */
  get pages(): ReadonlyMap<number, Uint8Array> {
    return this.replay.pages
  }

  /** Blocks whose content is in the ring still. */
  page(block: number): Uint8Array | undefined {
    return this.replay.pages.get(block)
  }

  /** The lowest number that no inode of before may have. */
  get nextIno(): number {
    return Math.max(this.marker?.nextIno ?? 0, this.replay.nextIno)
  }

  /** What marks the volume's ring records. */
  get mark(): number {
    return volumeMark(this.superblock)
  }

  identity(): Uint8Array | undefined {
    return this.stored(VOLUME_KEY)
  }

  get(key: string): Uint8Array | undefined {
    const above = this.replay.values.get(key)
    return above === undefined ? this.stored(key) : (above ?? undefined)
  }

  leaf(key: string): Leaf | undefined {
    return this.decode(key, this.get(key), decodeLeaf)
  }

  /** What a body says; a damaged one is told to the sink. */
  decode<Value>(
    key: string,
    body: Uint8Array | undefined,
    decoder: (body: Uint8Array) => Value,
  ): Value | undefined {
    return body === undefined ? undefined : this.attempt(key, () => decoder(body))
  }

  entries(prefix: string): AsyncGenerator<Entry, void> {
    return this.range(prefix, prefixEnd(prefix))
  }

  /** Entries with `from <= key < to`, in order. */
  async *range(from: string, to: string): AsyncGenerator<Entry, void> {
    const above = this.replay.keysBetween(from, to)
    let next = 0
    for await (const [key, value] of this.storedRange(from, to)) {
      for (; (above[next] ?? key) < key; next++) yield* this.replayedEntry(above[next])
      if (above[next] === key) continue
      yield { key, body: this.attempt(key, () => openValue(key, value)) }
    }
    for (; next < above.length; next++) yield* this.replayedEntry(above[next])
  }

  /** Nothing for a key that a record has deleted. */
  private *replayedEntry(key: string | undefined): Generator<Entry, void> {
    const body = key === undefined ? undefined : this.replay.values.get(key)
    if (key !== undefined && body !== undefined && body !== null) yield { key, body }
  }

  private async *storedRange(from: string, to: string): AsyncGenerator<[string, Uint8Array]> {
    let last = from
    try {
      for await (const [key, value] of eachEntry(this.device.index.pages(from, to))) {
        last = key
        this.checkLookup(key, value)
        yield [key, value]
      }
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      const { text, ino } = describeKey(last)
      this.sink('F5', 'error', `the index cannot be read behind ${text}: ${error.message}`, ino)
    }
  }

  /** A damaged filter in LevelDB's tables hides a key from look-ups that a listing shows. */
  private checkLookup(key: string, value: Uint8Array): void {
    const found = this.attempt(key, () => this.device.index.get(key))
    if (found !== undefined && Buffer.compare(found, value) === 0) return
    const { text, ino } = describeKey(key)
    this.sink('F5', 'error', `${text} is in the index, but looking it up does not find it`, ino)
  }

  private stored(key: string): Uint8Array | undefined {
    return this.attempt(key, () => {
      const value = this.device.index.get(key)
      return value === undefined ? undefined : openValue(key, value)
    })
  }

  private loadLeaf(key: string): Leaf | undefined {
    return this.decode(key, this.stored(key), decodeLeaf)
  }

  private attempt<Value>(key: string, work: () => Value): Value | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      this.damagedKeys.add(key)
      const { text, ino } = describeKey(key)
      this.sink('F5', 'error', `${text} is damaged: ${error.message}`, ino)
      return undefined
    }
  }

  private async loadBitmap(): Promise<void> {
    for await (const { key, body } of this.entries(bitmapKey(0).slice(0, 1))) {
      if (!isWellFormed(key)) continue
      const groupIndex = u32FromKey(key, 1)
      if (body?.length === GROUP_BLOCKS / 8) this.loadGroup(groupIndex, body)
      else this.unreadableGroups.add(groupIndex)
      if (body !== undefined && body.length !== GROUP_BLOCKS / 8) {
        this.sink('F5', 'error', `bitmap group ${groupIndex} has ${body.length} bytes`)
      }
    }
    this.storedMappedCount = this.bitmap.setCount
  }

  private async loadShares(): Promise<void> {
    for await (const { key, body } of this.entries(sharesKey(0).slice(0, 1))) {
      const counts = this.decode(key, body, decodeShares) ?? []
      for (const [slot, count] of counts.entries()) {
        if (count > 0) this.shares.set(u32FromKey(key, 1) * SHARES_BLOCKS + slot, count)
      }
    }
  }

  private loadGroup(groupIndex: number, body: Uint8Array): void {
    const isEmpty = body.every((byte) => byte === 0)
    if (groupIndex * GROUP_BLOCKS >= this.device.blocks.blockCount) {
      const where = 'lies behind the end of the block file'
      if (!isEmpty) this.sink('F22', 'error', `bitmap group ${groupIndex} ${where}`)
      return
    }
    // A group may reach behind the last block, but only with zeros; F22 finds any others.
    if (!isEmpty) this.bitmap.resize((groupIndex + 1) * GROUP_BLOCKS)
    this.bitmap.loadGroup(groupIndex, body)
  }

  private replayRecords(salvage: Replayer | undefined): void {
    const replayer = salvage ?? replayAsRecovery
    try {
      this.replayed = replayer(this.device.ring, this.marker, this.mark, (ops) => {
        // What is salvaged may be in the index already, and later commits with it.
        this.applyCommit(ops, salvage === undefined)
      })
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      this.sink('F4', 'error', `the ring cannot be read: ${error.message}`)
    }
    this.replay.finish()
  }

  /** A commit that recovery would refuse is told to the sink, and what it leads to can be looked at. */
  private applyCommit(ops: readonly Op[], isVerified: boolean): void {
    const blockAt = (place: MapPlace): number => this.replay.blockAt(place)
    const check = isVerified ? new CommitCheck(blockAt) : undefined
    for (const op of ops) {
      checkOp(op, this.device.blocks.blockCount)
      check?.note(op)
      this.replay.apply(op)
    }
    try {
      check?.finish((key) => this.get(key))
    } catch (error) {
      if (!(error instanceof FsError)) throw error
      this.sink('F4', 'error', `the ring cannot be replayed: ${error.message}`)
    }
  }
}

/** Applies commits of the ring. */
export type Replayer = (
  ring: Ring,
  marker: Marker | undefined,
  volume: number,
  apply: (ops: readonly Op[]) => void,
) => Replayed | undefined

const replayAsRecovery: Replayer = (ring, marker, volume, apply) =>
  marker === undefined ? undefined : replayRing(ring, marker, volume, apply)
