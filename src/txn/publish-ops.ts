/** The operations that make a shadow fork the data fork. */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError, invariant } from '../errors.ts'
import type { Ino, Inode } from '../store/inode.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Change } from './change.ts'
import type { Engine } from './engine.ts'
import { type FileState, HOLE, type ShadowFork, type Transaction } from './shadow-fork.ts'
import { mappedBlock } from './published.ts'
import { MapRuns, RunBuilder } from './runs.ts'

export interface PublishOptions {
  /** Whether the caller flushes the journal right after. */
  readonly soon: boolean
  /** The transaction of the file that this ends; any other forbids it. */
  readonly ends?: Transaction | undefined
  /** Further changes for the same commit. */
  readonly also?: (change: Change) => void
  /** Operations that come behind all others on maps, when every page has its block. */
  readonly last?: (change: Change) => void
  /** What both take of a record, in bytes, if it is more than a rename takes. */
  readonly moreBytes?: number
}

export interface NewMap {
  readonly generation: number
  readonly blockCount: number
  /** Leaves in which it may differ from the one before, apart from the pages. */
  readonly touchedLeaves: readonly number[]
}

/** A file with what is staged for it, while it is being published. */
export interface Staged {
  readonly file: FileState
  readonly fork: ShadowFork
  /** Leaves of the data fork that the fork's truncation touches. */
  readonly cutLeaves: readonly number[]
  /** A whole new map that is written already and becomes the file's with the commit. */
  newMap: NewMap | undefined
}

/**
 * Adds truncation, holes, remaps and the inode: everything but the pages. Of a map that does not fit a record
 * only so much is added that this shows: all of it could take hundreds of bytes of memory for each block, and
 * the change is made again when the map has been written.
 */
export function pushMapChange(engine: Engine, staged: Staged, change: Change): void {
  const { file, fork, cutLeaves, newMap } = staged
  const draft = change.inode(file.ino)
  if (newMap === undefined) {
    pushCuts(engine, file, fork, cutLeaves, change, draft)
    pushSpilled(engine, file, fork, change, draft)
  } else {
    pushNewMap(change, file.ino, newMap)
  }
  finishInode(engine, fork, draft)
}

/** A map that is written already becomes the file's. */
export function pushNewMap(
  change: Change,
  ino: Ino,
  { generation, blockCount }: NonNullable<Staged['newMap']>,
): void {
  const draft = change.inode(ino)
  change.removePendingMap(ino, generation)
  change.putPendingMap(ino, draft.mapGeneration)
  draft.mapGeneration = generation
  draft.blockCount = blockCount
}

/** The same of an operation that is no record yet: its pages, and room for an inode. */
const PAGE_OP_BYTES = 25
const INODE_OP_BYTES = 192

/** Size of a record once pages and inodes are in it, with room for what a rename adds. */
export function recordBlocks(mapBytes: number, pageCount: number, inodeCount = 0): number {
  const bytes = mapBytes + PAGE_OP_BYTES * pageCount + INODE_OP_BYTES * inodeCount
  return Math.ceil(bytes / BLOCK_SIZE) + pageCount + 2
}

function pushCuts(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  cutLeaves: readonly number[],
  change: Change,
  draft: Inode,
): void {
  if (fork.freshMap) {
    change.putPendingMap(file.ino, draft.mapGeneration)
    draft.mapGeneration++
    draft.blockCount = 0
    return
  }
  const map = engine.store.maps.get(file.ino, draft.mapGeneration)
  const runs = new RunBuilder()
  for (const leafIndex of cutLeaves) {
    const leaf = map.leaf(leafIndex)
    if (leaf === undefined) continue
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const fileBlock = leafIndex * LEAF_BLOCKS + slot
      if (leaf.block(slot) === 0 || fileBlock < fork.cutBlock) continue
      // A page takes the place over; so does a spilled block.
      if (fork.pages.has(fileBlock) || isSpilled(fork, fileBlock)) continue
      runs.add(fileBlock)
    }
  }
  for (const { start, count } of runs.runs) {
    pushUnmap(file, draft, change, start, count)
    draft.blockCount -= count
  }
}

function isSpilled(fork: ShadowFork, fileBlock: number): boolean {
  const block = fork.spilledBlock(fileBlock)
  return block !== 0 && block !== HOLE
}

function pushUnmap(
  file: FileState,
  draft: Inode,
  change: Change,
  fileBlock: number,
  count: number,
): void {
  const generation = draft.mapGeneration
  change.push({ type: 'unmap', ino: file.ino, generation, fileBlock, count })
}

function pushSpilled(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  change: Change,
  draft: Inode,
): void {
  const map = engine.store.maps.get(file.ino, draft.mapGeneration)
  const holes = new RunBuilder()
  const runs = new MapRuns()
  for (const { fileBlock, block, checksum } of fork.spilledEntries()) {
    const mapped = map.block(fileBlock) !== 0
    if (block === HOLE) {
      // What lies behind the cut is unmapped already.
      if (mapped && fileBlock < fork.cutBlock) holes.add(fileBlock)
      continue
    }
    if (!mapped) draft.blockCount++
    runs.add(mapType(engine, file, fork, fileBlock), fileBlock, block, checksum)
    if (runs.sizeBytes > engine.journal.recordBlocksMax * BLOCK_SIZE) break
  }
  runs.push(change, file.ino, draft.mapGeneration)
  for (const { start, count } of holes.runs) {
    pushUnmap(file, draft, change, start, count)
    draft.blockCount -= count
  }
}

/**
 * Adds the pages and commits. What pages have been given cannot be taken back, so a commit that is
 * refused, as on a damaged volume, leaves forks that can only be discarded.
 */
export function commitPages(
  engine: Engine,
  all: readonly Staged[],
  change: Change,
  { soon, last }: PublishOptions,
): void {
  // Nothing may fail once blocks are allocated.
  for (const { file, fork } of all) readLeaves(engine, file, fork, change.inode(file.ino))
  for (const staged of all) noteWritten(staged, change)
  for (const staged of all) releaseRooms(engine, staged)
  for (const { file, fork } of all) pushPages(engine, file, fork, change)
  try {
    last?.(change)
    engine.commit(change, soon)
  } catch (error) {
    if (error instanceof FsError) for (const { fork } of all) fork.broken ??= error
    throw error
  }
}

/** Tells of what was written byte by byte, where somebody may have to merge it. */
function noteWritten({ file: { ino }, fork, newMap }: Staged, change: Change): void {
  if (fork.written !== undefined) change.written.set(ino, fork.written)
  if (fork.cutBlock !== Infinity) change.cut.add(ino)
  if (newMap !== undefined) change.touchedLeaves.set(ino, newMap.touchedLeaves)
}

/**
 * Each page of an isolated file has a block set aside. Where nobody reads the version that it replaces,
 * it goes home in place instead, so that the file does not fragment. A new map was written without the
 * blocks that were to be replaced.
 */
function releaseRooms(engine: Engine, { file, fork, newMap }: Staged): void {
  const { allocator, shares } = engine.store
  if (!file.isIsolated || newMap !== undefined || engine.versions.has(file.ino)) return
  for (const [fileBlock, { data, reserved }] of fork.pages) {
    if (!reserved) continue
    const block = mappedBlock(engine, file, fileBlock)
    if (block === 0 || allocator.isBorrowed(block) || shares.extra(block) > 0) continue
    allocator.unreserve(1)
    fork.pages.set(fileBlock, { data, reserved: false })
  }
}

/**
 * How a spilled block enters the map. A borrowed one has one owner more from then on, unless this
 * very place of the file has it already.
 */
export function mapType(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  fileBlock: number,
): 'remap' | 'share' {
  if (!fork.borrowed.has(fileBlock)) return 'remap'
  const { mapGeneration } = engine.inodes.get(file.ino)
  const owned = engine.store.maps.get(file.ino, mapGeneration).block(fileBlock)
  return owned === fork.spilledBlock(fileBlock) ? 'remap' : 'share'
}

/**
 * Pages go to the block that the file already has there, or to a new one that was set aside. They
 * stay in the fork: if the commit fails, the file goes on showing all of what was staged.
 */
function pushPages(engine: Engine, file: FileState, fork: ShadowFork, change: Change): void {
  const draft = change.inode(file.ino)
  const map = engine.store.maps.get(file.ino, draft.mapGeneration)
  let room = { start: 0, count: 0 }
  let needed = [...fork.pages.values()].filter((page) => page.reserved).length
  for (const fileBlock of [...fork.pages.keys()].toSorted((a, b) => a - b)) {
    const page = fork.pages.get(fileBlock)
    invariant(page !== undefined, 'a page that is iterated exists')
    let block = mappedBlock(engine, file, fileBlock)
    if (page.reserved) {
      if (room.count === 0) room = engine.store.allocator.allocate(needed)
      block = room.start
      room = { start: room.start + 1, count: room.count - 1 }
      needed--
      if (map.block(fileBlock) === 0) draft.blockCount++
      fork.pages.set(fileBlock, { data: page.data, reserved: false })
    }
    invariant(block !== 0, 'a page without a block has one set aside')
    const checksum = crc32c(page.data)
    const place = { ino: file.ino, generation: draft.mapGeneration, fileBlock, block }
    change.push({ type: 'page', ...place, checksum, data: page.data })
  }
}

/** Reads what pages need of the extent maps. */
function readLeaves(engine: Engine, { ino }: FileState, fork: ShadowFork, draft: Inode): void {
  const { mapGeneration } = engine.inodes.get(ino)
  for (const fileBlock of fork.pages.keys()) {
    engine.store.maps.get(ino, mapGeneration).ensureLeaf(fileBlock)
    engine.store.maps.get(ino, draft.mapGeneration).ensureLeaf(fileBlock)
  }
}

/** The inode takes over what was staged of it. */
function finishInode(engine: Engine, fork: ShadowFork, draft: Inode): void {
  draft.size = fork.size
  draft.mtimeNs = fork.mtimeNs
  draft.ctimeNs = latest(draft.ctimeNs, fork.ctimeNs)
  draft.commitSeq = engine.journal.commitSeq + 1
}

const latest = (a: bigint, b: bigint): bigint => (a > b ? a : b)
