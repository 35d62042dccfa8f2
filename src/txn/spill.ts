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

/**
 * Starts writing whole blocks at a file block. `release` gives `data`'s memory back; without it the
 * data is copied. Throws FsError ENOSPC, and then nothing is staged.
 */
export function spillRun(
  engine: Engine,
  fork: ShadowFork,
  fileBlock: number,
  data: Uint8Array,
  release?: () => void,
): void {
  try {
    engine.store.allocator.reserve(data.length / BLOCK_SIZE)
  } catch (error) {
    release?.()
    throw error
  }
  spillReserved(engine, fork, fileBlock, data, release)
}

/** The same for blocks that are set aside. Cannot fail. */
function spillReserved(
  engine: Engine,
  fork: ShadowFork,
  fileBlock: number,
  data: Uint8Array,
  release?: () => void,
): void {
  const count = data.length / BLOCK_SIZE
  const copy =
    release === undefined || data.byteOffset % BLOCK_SIZE !== 0 ? copyOf(data) : undefined
  const owned = copy ?? data
  const writes: Promise<void>[] = []
  for (let done = 0; done < count;) {
    const run = engine.store.allocator.allocate(count - done)
    const part = owned.subarray(done * BLOCK_SIZE, (done + run.count) * BLOCK_SIZE)
    for (let i = 0; i < run.count; i++) {
      const block = part.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)
      stageSpilled(engine, fork, fileBlock + done + i, run.start + i, crc32c(block))
    }
    writes.push(writeRun(engine, run, part))
    done += run.count
  }
  const settled = Promise.allSettled(writes).then(() => {
    if (copy === undefined) release?.()
    else copies.release(copy)
    fork.writesUnderWay.delete(settled)
  })
  if (copy !== undefined) release?.()
  fork.writesUnderWay.add(settled)
}

/**
 * Moves all pages of a fork to the disk, in file order and next to each other. A page that has a
 * block set aside takes that one; only the others need new ones. Throws FsError ENOSPC.
 */
export function spillPages(engine: Engine, fork: ShadowFork): void {
  const fileBlocks = [...fork.pages.keys()].toSorted((a, b) => a - b)
  let i = 0
  while (i < fileBlocks.length) {
    const start = fileBlocks[i] ?? 0
    const run: StagedPage[] = []
    while (fileBlocks[i + run.length] === start + run.length) {
      const page = fork.pages.get(start + run.length)
      if (page === undefined) break
      run.push(page)
    }
    engine.store.allocator.reserve(run.filter((page) => !page.reserved).length)
    for (const [at, { data }] of run.entries()) {
      fork.pages.set(start + at, { data, reserved: false })
    }
    spillReserved(engine, fork, start, Buffer.concat(run.map(({ data }) => data)))
    i += run.length
  }
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

/** Resolves when the disk has caught up enough for a writer to go on. */
export async function writersTurn(engine: Engine, fork: ShadowFork): Promise<void> {
  while (bytesUnderWay(engine) > UNDER_WAY_BYTES_MAX && fork.writesUnderWay.size > 0) {
    await Promise.race(fork.writesUnderWay)
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

function copyOf(data: Uint8Array): Buffer {
  const copy = copies.acquire(data.length)
  copy.set(data)
  return copy
}
