/**
 * Moves staged content to blocks of the disk before it is published. Nothing published refers to
 * these blocks, so their writes need no order; the publish waits for them and flushes.
 */
import { AlignedPool } from '../device/aligned-memory.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import { crc32c } from '../crc32c.ts'
import type { Run } from '../store/allocator.ts'
import type { Engine } from './engine.ts'
import type { ShadowFork, StagedPage } from './shadow-fork.ts'

const copies = new AlignedPool()

/** Bytes on their way to the disk, over all files; writers wait beyond the limit. */
const UNDER_WAY_BYTES_MAX = 32 * 1024 * 1024

/** Pages that share a buffer on their way to the disk: each buffer takes much more than it holds. */
const COPIED_PAGES_MAX = 256

/**
 * Starts writing whole blocks at a file block. `release` gives `data`'s memory back; without it the
 * data is copied. Throws FsError ENOSPC or ENOMEM, and then nothing is staged.
 */
export function spillRun(
  engine: Engine,
  fork: ShadowFork,
  fileBlock: number,
  data: Uint8Array,
  release?: () => void,
): void {
  const isOwned = release !== undefined && data.byteOffset % BLOCK_SIZE === 0
  if (isOwned) {
    reserveOr(release, engine, data.length / BLOCK_SIZE)
    spillReserved(engine, fork, (at) => fileBlock + at, data, release)
    return
  }
  try {
    const copy = copies.acquire(data.length)
    const giveBack = (): void => {
      copies.release(copy)
    }
    reserveOr(giveBack, engine, data.length / BLOCK_SIZE)
    copy.set(data)
    spillReserved(engine, fork, (at) => fileBlock + at, copy, giveBack)
  } finally {
    release?.()
  }
}

function reserveOr(giveBack: () => void, engine: Engine, count: number): void {
  try {
    engine.store.allocator.reserve(count)
  } catch (error) {
    giveBack()
    throw error
  }
}

/**
 * Starts writing blocks that are set aside, next to each other on the disk wherever they are in the file.
 * Cannot fail. `release` gives `data`'s memory back.
 */
function spillReserved(
  engine: Engine,
  fork: ShadowFork,
  fileBlockAt: (index: number) => number,
  data: Uint8Array,
  release: () => void,
): void {
  const count = data.length / BLOCK_SIZE
  const writes: Promise<void>[] = []
  for (let done = 0; done < count;) {
    const run = engine.store.allocator.allocate(count - done)
    const part = data.subarray(done * BLOCK_SIZE, (done + run.count) * BLOCK_SIZE)
    // The disk works while the checksums are made.
    writes.push(writeRun(engine, run, part))
    for (let i = 0; i < run.count; i++) {
      const block = part.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)
      stageSpilled(engine, fork, fileBlockAt(done + i), run.start + i, crc32c(block))
    }
    done += run.count
  }
  const settled = Promise.allSettled(writes).then(() => {
    release()
    fork.writesUnderWay.delete(settled)
    engine.spillsUnderWay.delete(settled)
  })
  fork.writesUnderWay.add(settled)
  engine.spillsUnderWay.add(settled)
}

/**
 * Moves all pages of a fork to the disk, in file order and next to each other. A page that has a
 * block set aside takes that one; only the others need new ones. Throws FsError ENOSPC or ENOMEM; pages
 * are either moved or as before then.
 */
export function spillPages(engine: Engine, fork: ShadowFork): void {
  const pages = [...fork.pages].toSorted(([a], [b]) => a - b)
  for (let i = 0; i < pages.length; i += COPIED_PAGES_MAX) {
    spillSome(engine, fork, pages.slice(i, i + COPIED_PAGES_MAX))
  }
}

function spillSome(
  engine: Engine,
  fork: ShadowFork,
  pages: readonly (readonly [fileBlock: number, page: StagedPage])[],
): void {
  const copy = copies.acquire(pages.length * BLOCK_SIZE)
  const giveBack = (): void => {
    copies.release(copy)
  }
  reserveOr(giveBack, engine, pages.filter(([, { reserved }]) => !reserved).length)
  for (const [i, [fileBlock, { data }]] of pages.entries()) {
    copy.set(data, i * BLOCK_SIZE)
    fork.pages.set(fileBlock, { data, reserved: false })
  }
  spillReserved(engine, fork, (at) => pages[at]?.[0] ?? 0, copy, giveBack)
}

/** Drops a page that something newer replaces. */
export function dropPage(engine: Engine, fork: ShadowFork, fileBlock: number): void {
  const page = fork.pages.get(fileBlock)
  if (page === undefined) return
  if (page.reserved) engine.store.allocator.unreserve(1)
  fork.pages.delete(fileBlock)
}

/** Forgets where a file block was spilled to, and frees that block. */
export function dropSpilled(engine: Engine, fork: ShadowFork, fileBlock: number): void {
  giveUp(engine, fork, fileBlock, fork.setSpilled(fileBlock, 0, 0))
}

/** A block that a file block was spilled to is no longer wanted; 0 if there was none. */
function giveUp(engine: Engine, fork: ShadowFork, fileBlock: number, block: number): void {
  if (fork.borrowed.delete(fileBlock)) engine.store.giveBack(block)
  else if (block !== 0) freeStaged(engine, fork, { start: block, count: 1 })
}

/** Stages a block that another place of a map has as this file's own content, too. */
export function borrowBlock(
  engine: Engine,
  fork: ShadowFork,
  fileBlock: number,
  source: { readonly block: number; readonly checksum: number },
): void {
  dropPage(engine, fork, fileBlock)
  // Before the old one goes: it may be the same.
  engine.store.allocator.borrow(source.block)
  dropSpilled(engine, fork, fileBlock)
  fork.setSpilled(fileBlock, source.block, source.checksum)
  fork.borrowed.add(fileBlock)
}

/** What was borrowed is published, so its content stays without that. */
export function giveAllBack(engine: Engine, fork: ShadowFork): void {
  for (const fileBlock of fork.borrowed) {
    engine.store.giveBack(fork.spilledBlock(fileBlock))
  }
  fork.borrowed.clear()
}

/** Frees a staged block as soon as no write to it is under way. */
export function freeStaged(engine: Engine, fork: ShadowFork, run: Run): void {
  if (fork.writesUnderWay.size === 0) {
    engine.store.allocator.discard(run)
    return
  }
  void Promise.all(fork.writesUnderWay).then(() => {
    engine.store.allocator.discard(run)
  })
}

/** Resolves when the disk has caught up enough for a writer to go on, whosever writes it waits for. */
export async function writersTurn(engine: Engine): Promise<void> {
  while (bytesUnderWay(engine) > UNDER_WAY_BYTES_MAX && engine.spillsUnderWay.size > 0) {
    await Promise.race(engine.spillsUnderWay)
  }
}

export function mustWait(engine: Engine): boolean {
  return engine.store.writesUnderWay.size > 0 && bytesUnderWay(engine) > UNDER_WAY_BYTES_MAX
}

function bytesUnderWay(engine: Engine): number {
  let sum = 0
  for (const { data } of engine.store.writesUnderWay) sum += data.length
  return sum
}

function stageSpilled(
  engine: Engine,
  fork: ShadowFork,
  fileBlock: number,
  block: number,
  checksum: number,
): void {
  dropPage(engine, fork, fileBlock)
  giveUp(engine, fork, fileBlock, fork.setSpilled(fileBlock, block, checksum))
}

async function writeRun(engine: Engine, run: Run, data: Uint8Array): Promise<void> {
  const write = { start: run.start, data }
  engine.store.writesUnderWay.add(write)
  try {
    await engine.store.device.blocks.writeDirect(run.start, data)
  } catch (error) {
    engine.health.fail(error)
  } finally {
    engine.store.writesUnderWay.delete(write)
  }
}
