/**
 * Moving a handle's shadow fork from the version that it was begun on to the one that is published.
 * What the handle has written stays, byte by byte; around it comes what others have published since.
 * Where both have written, or both have changed the size, there is no right answer: EBUSY, and the
 * fork stays as it is. Who published first has won.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { ByteRanges } from './byte-ranges.ts'
import type { Engine } from './engine.ts'
import { readFileBlock } from './resolve.ts'
import { FileState, type ShadowFork } from './shadow-fork.ts'
import { dropPage, dropSpilled, spillPages } from './spill.ts'
import { pagesMax } from './stage.ts'
import type { Version } from './versions.ts'

/** Throws FsError EBUSY if what a handle has staged cannot be merged with what others published. */
export function assertMergeable({ ino, shadow, base }: FileState): void {
  if (shadow === undefined) return
  for (let each = base; each?.isNewest === false; each = each.newer) {
    const isSizeChanged = each.isResized && changesSize(shadow, base)
    if (!isSizeChanged && !overlaps(shadow, each.changed)) continue
    const what = isSizeChanged ? 'changed the size' : 'written the same bytes'
    throw new FsError(
      'EBUSY',
      `Inode ${ino}: another handle has ${what} and published first; discard and try again`,
    )
  }
}

function overlaps(top: ShadowFork, changed: ByteRanges): boolean {
  return [...top.chain()].some(({ written }) => written?.overlapsAny(changed) === true)
}

function changesSize(top: ShadowFork, base: Version | undefined): boolean {
  const isCut = [...top.chain()].some(({ cutBlock }) => cutBlock !== Infinity)
  return top.size !== base?.size || isCut
}

/**
 * Makes a handle stand on what is published now, with what it has staged. Throws FsError EBUSY, ENOSPC
 * or EIO, and then nothing has changed. Requires: the caller holds the file's lock,
 * and there is no savepoint.
 */
export function rebase(engine: Engine, file: FileState): void {
  const { shadow, base } = file
  if (base === undefined || base.isNewest) return
  if (shadow !== undefined) {
    assertMergeable(file)
    merge(engine, file, shadow, base)
  }
  file.base = engine.versions.pin(file.ino)
  engine.versions.unpin(base)
}

function merge(engine: Engine, file: FileState, fork: ShadowFork, base: Version): void {
  const merged = new Map<number, Buffer>()
  // Without a fork of its own it shows what is published.
  const published = new FileState(file.ino)
  for (let each: Version | undefined = base; each?.isNewest === false; each = each.newer) {
    for (const fileBlock of each.changed.blocks()) {
      if (!isStaged(fork, fileBlock) || merged.has(fileBlock)) continue
      const page = Buffer.from(readFileBlock(engine, published, fileBlock))
      layOver(page, readFileBlock(engine, file, fileBlock), fork, fileBlock)
      merged.set(fileBlock, page)
    }
  }
  putMerged(engine, fork, merged)
  const { size, mtimeNs, commitSeq } = engine.inodes.get(file.ino)
  if (!changesSize(fork, base)) {
    fork.size = size
    dropBehindEnd(engine, fork)
  }
  if (fork.mtimeNs < mtimeNs) fork.mtimeNs = mtimeNs
  fork.baseSeq = commitSeq
}

/** Space that was staged where somebody else has cut the file off since: nothing was written there. */
function dropBehindEnd(engine: Engine, fork: ShadowFork): void {
  const end = Math.ceil(fork.size / BLOCK_SIZE)
  for (const fileBlock of fork.pages.keys()) if (fileBlock >= end) dropPage(engine, fork, fileBlock)
  for (const { fileBlock } of fork.spilledEntries()) {
    if (fileBlock >= end) dropSpilled(engine, fork, fileBlock)
  }
}

function isStaged(fork: ShadowFork, fileBlock: number): boolean {
  return fork.pages.has(fileBlock) || fork.spilledBlock(fileBlock) !== 0
}

/** Copies those bytes of a block that the fork has written. */
function layOver(page: Buffer, staged: Uint8Array, fork: ShadowFork, fileBlock: number): void {
  const start = fileBlock * BLOCK_SIZE
  for (const { from, to } of fork.written?.within(start, start + BLOCK_SIZE) ?? []) {
    page.set(staged.subarray(from - start, to - start), from - start)
  }
}

function putMerged(engine: Engine, fork: ShadowFork, merged: ReadonlyMap<number, Buffer>): void {
  const fresh = [...merged.keys()].filter((fileBlock) => !fork.pages.has(fileBlock))
  engine.store.allocator.reserve(fresh.length)
  for (const [fileBlock, data] of merged) {
    const reserved = fork.pages.get(fileBlock)?.reserved ?? true
    dropSpilled(engine, fork, fileBlock)
    fork.pages.set(fileBlock, { data, reserved })
  }
  if (fork.pages.size > pagesMax(engine)) spillPages(engine, fork)
}

/**
 * Lets go of the version that a handle stands on, so that it stands on whatever is published: if
 * nobody else reads that version, publishing need not keep it. Requires: the version is the newest, and
 * nobody publishes until `takeBase`.
 */
export function leaveBase(engine: Engine, file: FileState): void {
  if (file.base !== undefined) engine.versions.unpin(file.base)
  file.base = undefined
}

/** Makes a handle stand on what is published now, unless it is gone. */
export function takeBase(engine: Engine, file: FileState): void {
  const left = file.base
  file.base = file.isEnded ? undefined : engine.versions.pin(file.ino)
  if (left !== undefined) engine.versions.unpin(left)
}
