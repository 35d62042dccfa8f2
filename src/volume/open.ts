/**
 * Opens a volume, and recovers it if it was not closed in order.
 *
 *   1. the superblock says whether this program may;
 *   2. the index must be this volume's, and its marker says where the ring's records begin;
 *   3. the bitmap is loaded, and the ring's records are replayed into memory;
 *   4. a checkpoint under a new epoch makes all of that durable, before the first new commit: from
 *      here on no record of before can be taken for one of now;
 *   5. generations of extent maps that were being written or freed are freed;
 *   6. a copy of the superblock that is missing, because making the volume was cut off, is written.
 *
 * A crash anywhere in here changes nothing that counts: up to the batch of step 4 nothing is written
 * but pages to their homes, which the next recovery writes again; step 5 consists of commits; step 6
 * leaves the copy missing or whole, for all that is not zero of it is in its first sector.
 */
import { eachEntry } from '../device/each-entry.ts'
import type { CallsUnderWay } from '../device/calls-under-way.ts'
import type { Device } from '../device/device.ts'
import { GuardedDevice } from '../device/guarded-device.ts'
import { FsError } from '../errors.ts'
import { Health } from '../health.ts'
import { Checkpointer } from '../journal/checkpoint.ts'
import { Journal } from '../journal/journal.ts'
import type { Replayed } from '../journal/recovery.ts'
import type { Ino } from '../store/inode.ts'
import {
  MARKER_KEY,
  VOLUME_KEY,
  bitmapKey,
  isWellFormed,
  prefixEnd,
  u32FromKey,
  u64FromKey,
} from '../store/keys.ts'
import { type Marker, decodeMarker } from '../store/marker.ts'
import { openValue } from '../store/metadata.ts'
import { Store } from '../store/store.ts'
import {
  type Superblock,
  checkFeatures,
  chooseSuperblock,
  decodeSuperblock,
} from '../store/superblock.ts'
import { Engine, type InodeCounter } from '../txn/engine.ts'
import { releaseMap } from '../txn/release-map.ts'
import { RING_BLOCKS_MIN } from './make.ts'
import { findHazard, replay } from './replay.ts'

export interface OpenVolumeOptions {
  /** For messages. */
  readonly name: string
  readonly readOnly: boolean
  readonly clock: () => bigint
  /** Damage that was found before; the volume is opened for reading only then. */
  readonly damage?: string | undefined
  /** Watches over what the disk has not answered; without it every call is waited for. */
  readonly calls?: CallsUnderWay
}

/** What opening did. */
export interface RecoveryReport {
  readonly wasClean: boolean
  readonly recordCount: number
  readonly byteCount: number
  readonly mapsReleased: number
  readonly orphanCount: number
  /** Trees that a folder transaction has left, unfinished or replaced. */
  readonly hiddenCount: number
  /** Why the volume can only be read, if so. */
  readonly damage: string | undefined
  readonly timeMs: number
}

export interface OpenedVolume {
  /** The device that was opened, held to its contract: what must be closed in the end. */
  readonly device: Device
  readonly engine: Engine
  readonly superblock: Superblock
  readonly report: RecoveryReport
  /** Inodes without a name that the crash left. */
  readonly orphans: readonly Ino[]
  /** Hidden directories that the crash left: to be removed with all that is in them. */
  readonly hidden: readonly Ino[]
}

export async function openVolumeOn(
  unguarded: Device,
  options: OpenVolumeOptions,
): Promise<OpenedVolume> {
  const started = performance.now()
  const { name } = options
  const device = new GuardedDevice(unguarded, options.calls)
  const superblock = chooseSuperblock(name, readSuperblocks(device)) // 1.
  const health = new Health()
  device.onFailure((error) => {
    health.fail(error)
  })
  health.readOnly = options.readOnly || checkFeatures(name, superblock) === 'read-only'
  if (device.ring.blockCount < RING_BLOCKS_MIN) {
    const found = `its ring has ${device.ring.blockCount} blocks of ${RING_BLOCKS_MIN} at least`
    throw new FsError('EIO', `Cannot open volume "${name}": ${found}`)
  }
  const store = new Store(device)
  const marker = readMarker(device, name, superblock) // 2.
  await loadBitmap(store, name)
  const bitmapDamage = damageOfBitmap(store, marker)
  await store.shares.open()
  const counter: InodeCounter = { next: marker.nextIno }
  const replayed = replay(store, name, marker, volumeMark(superblock), counter) // 3.
  const damage =
    options.damage ?? bitmapDamage ?? replayed.damage ?? (await findHazard(store, counter))
  if (damage !== undefined) health.readOnly = true
  const engine = assemble(store, health, marker, superblock, replayed, counter, options.clock)
  let mapsReleased = 0
  const pending = await listed(store, 'P', name)
  if (!health.readOnly) {
    // A killed daemon leaves records in the host's cache: durable before their pages go home.
    await device.ring.flush()
    await engine.checkpointer.run() // 4.
    mapsReleased = await releasePendingMaps(engine, pending) // 5.
    await completeSuperblocks(device) // 6.
  }
  const orphans = (await listed(store, 'O', name)).map(([key]) => u64FromKey(key, 1))
  const hidden = (await listed(store, 'H', name)).map(([key]) => u64FromKey(key, 1))
  return {
    device,
    engine,
    superblock,
    orphans,
    hidden,
    report: {
      wasClean: marker.clean && replayed.recordCount === 0,
      recordCount: replayed.recordCount,
      byteCount: replayed.byteCount,
      mapsReleased,
      orphanCount: orphans.length,
      hiddenCount: hidden.length,
      damage,
      timeMs: performance.now() - started,
    },
  }
}

/** Both copies, without one that the disk cannot read. */
export function readSuperblocks(device: Device): Uint8Array[] {
  return ([0, 1] as const).flatMap((copy) => {
    try {
      return [device.readSuperblock(copy)]
    } catch {
      return []
    }
  })
}

/** One that is damaged is left as it is: it shows what has happened to the disk. */
async function completeSuperblocks(device: Device): Promise<void> {
  const copies = readSuperblocks(device)
  const whole = copies.find((copy) => typeof decodeSuperblock(copy) === 'object')
  if (whole === undefined || copies.length < 2) return
  for (const [copy, data] of copies.entries()) {
    if (decodeSuperblock(data) === 'zero') await device.writeSuperblock(copy === 0 ? 0 : 1, whole)
  }
}

function readMarker(device: Device, name: string, superblock: Superblock): Marker {
  const identity = device.index.get(VOLUME_KEY)
  const marker = device.index.get(MARKER_KEY)
  if (identity === undefined || marker === undefined) {
    throw new FsError('EIO', `Cannot open volume "${name}": its index is not complete`)
  }
  if (!Buffer.from(superblock.uuid).equals(openValue(VOLUME_KEY, identity))) {
    throw new FsError('EIO', `Cannot open volume "${name}": its index belongs to another volume`)
  }
  return decodeMarker(openValue(MARKER_KEY, marker))
}

async function loadBitmap(store: Store, name: string): Promise<void> {
  const prefix = bitmapKey(0).slice(0, 1)
  for await (const [key, value] of eachEntry(store.device.index.pages(prefix, prefixEnd(prefix)))) {
    if (!isWellFormed(key)) continue
    try {
      store.allocator.load(u32FromKey(key, 1), openValue(key, value))
    } catch (error) {
      throw new FsError('EIO', `Cannot open volume "${name}": its allocation bitmap is damaged`, {
        cause: error,
      })
    }
  }
}

type Entries = Awaited<ReturnType<Store['metadata']['scan']>>

const LISTS = { O: 'list of orphans', H: 'list of hidden directories', P: 'list of pending maps' }

async function listed(store: Store, prefix: 'O' | 'H' | 'P', name: string): Promise<Entries> {
  try {
    return (await store.metadata.scan(prefix)).filter(([key]) => isWellFormed(key))
  } catch (error) {
    const hint = `its ${LISTS[prefix]} is damaged; run: oatomic check ${name}`
    throw new FsError('EIO', `Cannot open volume "${name}": ${hint}`, { cause: error })
  }
}

/** A group that the index has lost looks as if all of its blocks were free. */
function damageOfBitmap({ allocator }: Store, marker: Marker): string | undefined {
  const freeCount = marker.blockCount - allocator.mappedCount
  if (freeCount === marker.freeCount) return undefined
  return `the marker counts ${marker.freeCount} free blocks, the allocation bitmap ${freeCount}`
}

/** What marks the ring records of a volume as its own. */
export function volumeMark(superblock: Superblock): number {
  return Buffer.from(superblock.uuid).readUInt32LE(0)
}

function assemble(
  store: Store,
  health: Health,
  marker: Marker,
  superblock: Superblock,
  replayed: Replayed,
  inodeCounter: InodeCounter,
  clock: () => bigint,
): Engine {
  const epoch = marker.epoch + 1
  const state = {
    commitSeq: replayed.commitSeq,
    head: replayed.position,
    tail: replayed.position,
    epoch,
    volume: volumeMark(superblock),
  }
  const journal = new Journal(store.device.ring, health, state, clock)
  const checkpointer = new Checkpointer(store, journal, health, epoch, () => inodeCounter.next)
  journal.onPressure = () => {
    checkpointer.start()
  }
  health.onFailure(() => {
    journal.wake()
  })
  return new Engine({ store, journal, checkpointer, health, clock, inodeCounter })
}

/** Frees what large publishes and truncations left; returns how many maps. */
async function releasePendingMaps(engine: Engine, pending: Entries): Promise<number> {
  for (const [key] of pending) {
    const ino = u64FromKey(key, 1)
    const generation = u32FromKey(key, 9)
    const own = engine.inodes.find(ino)?.mapGeneration
    // Only on a damaged volume: its own map is never freed.
    if (generation === own) continue
    await releaseMap(engine, ino, generation, own)
    while (!engine.hasRoom) await engine.room()
    const change = engine.begin()
    change.removePendingMap(ino, generation)
    engine.commit(change)
  }
  return pending.length
}
