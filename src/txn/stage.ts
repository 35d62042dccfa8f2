/** Staging: what write(2) and truncate(2) do to a file. Nothing here changes what is published. */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { FILE_SIZE_MAX } from '../store/inode.ts'
import type { Engine } from './engine.ts'
import { mappedBlock, publishedState } from './published.ts'
import { readFileBlock, resolveBlock } from './resolve.ts'
import { type FileState, ShadowFork } from './shadow-fork.ts'
import { dropPage, dropSpilled, spillPages, spillRun } from './spill.ts'

/** Staged bytes from which on large runs go to the disk at once. */
const INLINE_BYTES_MAX = 256 * 1024

/** The shortest run that goes to the disk by itself, in blocks. */
const SPILL_BLOCKS_MIN = 16

/** Pages that a fork keeps in memory, if the ring is large enough. */
const PAGES_MAX = 256

/** A file with more blocks than this is truncated to nothing by starting a new map. */
const FRESH_MAP_BLOCKS = 4096

/** Pages that a record of this volume carries for one file. */
export function pagesMax(engine: Engine): number {
  return Math.min(PAGES_MAX, Math.floor(engine.journal.recordBlocksMax / 2))
}

function pageCount(fork: ShadowFork | undefined): number {
  return fork === undefined ? 0 : fork.pages.size + pageCount(fork.parent)
}

/**
 * Freezes what is staged and puts an empty fork over it, with room for pages of its own: one record
 * will carry those of all forks. Requires: the caller holds the file's lock. Throws FsError ENOSPC.
 */
export function stageSavepoint(engine: Engine, file: FileState): void {
  const base = ensureFork(engine, file)
  if (pageCount(base) > pagesMax(engine) / 2) spillPages(engine, base)
  file.shadow = new ShadowFork(publishedState(engine, file), file.isIsolated, base)
  file.shadow.stageSeq = base.stageSeq
}

/** The fork that is about to be changed. */
export function ensureFork(engine: Engine, file: FileState): ShadowFork {
  file.shadow ??= new ShadowFork(publishedState(engine, file), file.isIsolated)
  file.shadow.stageSeq = engine.takeStageSeq()
  return file.shadow
}

export interface StageOptions {
  /** Lends the memory behind the data until its result is called. */
  readonly takeMemory?: () => () => void
  /** Whether somebody else sets the time of the modification. */
  readonly keepTime?: boolean
  /** Whether these are zeros where zeros are already, so that nothing is written over. */
  readonly isFill?: boolean
}

/**
 * Stages bytes at an offset.
 * Throws FsError ENOSPC, EFBIG or EIO, and then nothing of it is staged.
 */
export function stageWrite(
  engine: Engine,
  file: FileState,
  offset: number,
  data: Uint8Array,
  { takeMemory, keepTime = false, isFill = false }: StageOptions = {},
): void {
  const end = offset + data.length
  if (end > FILE_SIZE_MAX)
    throw new FsError('EFBIG', `A file cannot be larger than ${FILE_SIZE_MAX}`)
  const fork = ensureFork(engine, file)
  if (isSpillable(fork, offset, data)) {
    spillRun(engine, fork, offset / BLOCK_SIZE, data, takeMemory?.())
  } else {
    stageInChunks(engine, file, fork, offset, data)
  }
  fork.size = Math.max(fork.size, end)
  if (!isFill) fork.written?.add(offset, end)
  if (!keepTime) fork.touch(engine.clock())
}

function isSpillable(fork: ShadowFork, offset: number, data: Uint8Array): boolean {
  return (
    offset % BLOCK_SIZE === 0 &&
    data.length % BLOCK_SIZE === 0 &&
    data.length >= SPILL_BLOCKS_MIN * BLOCK_SIZE &&
    fork.stagedBytes + data.length > INLINE_BYTES_MAX
  )
}

/** Stages pages, moving those of before to the disk where they would become too many. */
function stageInChunks(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  offset: number,
  data: Uint8Array,
): void {
  if (data.length === 0) return
  const max = pagesMax(engine) - pageCount(fork.parent)
  const last = Math.floor((offset + data.length - 1) / BLOCK_SIZE)
  const count = last - Math.floor(offset / BLOCK_SIZE) + 1
  if (fork.pages.size + count <= max) {
    stagePages(engine, file, fork, offset, data)
    return
  }
  // All space is there before the first chunk, and the end that is kept is readable, so that no
  // later chunk can fail: each written block takes one at most, and so does each page of before
  // that has none set aside.
  const spillable = [...fork.pages.values()].filter((page) => !page.reserved).length
  engine.store.allocator.reserve(spillable + count)
  engine.store.allocator.unreserve(spillable + count)
  if ((offset + data.length) % BLOCK_SIZE !== 0) readFileBlock(engine, file, last)
  const chunkBytes = Math.floor(max / 2) * BLOCK_SIZE
  for (let done = 0; done < data.length;) {
    const length = Math.min(chunkBytes - ((offset + done) % BLOCK_SIZE), data.length - done)
    if (fork.pages.size + Math.floor(max / 2) > max) spillPages(engine, fork)
    stagePages(engine, file, fork, offset + done, data.subarray(done, done + length))
    done += length
    fork.size = Math.max(fork.size, offset + done)
  }
}

function stagePages(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  offset: number,
  data: Uint8Array,
): void {
  const first = Math.floor(offset / BLOCK_SIZE)
  const last = Math.floor((offset + data.length - 1) / BLOCK_SIZE)
  // Reading and reserving can fail, so they come before anything is changed.
  const contents: Buffer[] = []
  for (let fileBlock = first; fileBlock <= last; fileBlock++) {
    const from = Math.max(offset - fileBlock * BLOCK_SIZE, 0)
    const to = Math.min(offset + data.length - fileBlock * BLOCK_SIZE, BLOCK_SIZE)
    const page = pageForWrite(engine, file, fork, fileBlock, from, to)
    const at = fileBlock * BLOCK_SIZE + from - offset
    page.set(data.subarray(at, at + to - from), from)
    contents.push(page)
  }
  putPages(engine, file, fork, first, contents)
}

/** A new page with the current content around what will be written to it. */
function pageForWrite(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  fileBlock: number,
  from: number,
  to: number,
): Buffer {
  const page = engine.pageMemory.take()
  const visible = Math.min(fork.size - fileBlock * BLOCK_SIZE, BLOCK_SIZE)
  if (from > 0 || to < visible) page.set(readFileBlock(engine, file, fileBlock))
  else page.fill(0, to)
  return page
}

function putPages(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  first: number,
  contents: readonly Buffer[],
): void {
  const needed = contents.map(
    (_, i) => fork.pages.get(first + i)?.reserved ?? homeBlockFor(engine, file, first + i) === 0,
  )
  const fresh = needed.filter((need, i) => need && !fork.pages.has(first + i)).length
  engine.store.allocator.reserve(fresh)
  for (const [i, data] of contents.entries()) {
    dropSpilled(engine, fork, first + i)
    fork.pages.set(first + i, { data, reserved: needed[i] ?? false })
  }
}

/**
 * The block that a published page of this file block goes home to; 0 if it needs a new one, because
 * there is none or because somebody else has it too, or may when the page is published.
 */
function homeBlockFor(engine: Engine, file: FileState, fileBlock: number): number {
  if (file.isIsolated) return 0
  const block = mappedBlock(engine, file, fileBlock)
  const { allocator, shares } = engine.store
  return allocator.isBorrowed(block) || shares.extra(block) > 0 ? 0 : block
}

/** Stages a new size. Growing makes a hole; shrinking cuts content off for good. */
export function stageTruncate(
  engine: Engine,
  file: FileState,
  size: number,
  { keepTime = false }: Pick<StageOptions, 'keepTime'> = {},
): void {
  if (size > FILE_SIZE_MAX)
    throw new FsError('EFBIG', `A file cannot be larger than ${FILE_SIZE_MAX}`)
  const fork = ensureFork(engine, file)
  if (size < fork.size) {
    cutFork(engine, file, fork, size)
    fork.written?.add(size, fork.size)
  }
  fork.size = size
  if (!keepTime) fork.touch(engine.clock())
}

function cutFork(engine: Engine, file: FileState, fork: ShadowFork, size: number): void {
  const keep = Math.ceil(size / BLOCK_SIZE)
  const tail = size % BLOCK_SIZE
  if (tail !== 0 && resolveBlock(engine, file, keep - 1) !== undefined) {
    // What is behind the end of a file is always zeros, so that growing it again shows zeros.
    const page = Buffer.from(readFileBlock(engine, file, keep - 1))
    putPages(engine, file, fork, keep - 1, [page.fill(0, tail)])
  }
  for (const fileBlock of fork.pages.keys()) {
    if (fileBlock >= keep) dropPage(engine, fork, fileBlock)
  }
  for (const { fileBlock } of fork.spilledEntries()) {
    if (fileBlock >= keep) dropSpilled(engine, fork, fileBlock)
  }
  fork.cutBlock = Math.min(fork.cutBlock, keep)
  // What another handle still reads must not go with the map.
  if (file.isIsolated) return
  const { blockCount } = engine.inodes.get(file.ino)
  if (keep === 0 && fork.pages.size === 0 && blockCount > FRESH_MAP_BLOCKS) fork.freshMap = true
}
