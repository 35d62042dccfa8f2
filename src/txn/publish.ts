/**
 * Publishing: the shadow fork becomes the file.
 *
 * Order, and what a crash after each step leaves:
 *
 *   1. spilled blocks are on the disk: their writes have returned. Old file; nothing refers to them.
 *   2. if there are any, the blocks are flushed, so that no record can refer to content that is not
 *      durable. Old file.
 *   3. one record: truncation, holes, remaps of spilled blocks, pages, and the inode with the new
 *      size and times. Appended and applied in one tick. The whole old file until the record is
 *      durable, the whole new one from then on.
 *
 * A commit too large for one record is the business of `publish-large.ts`.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Change } from './change.ts'
import type { Engine } from './engine.ts'
import { publishLarge } from './publish-large.ts'
import { type PublishOptions, buildMapChange, commitPages, recordBlocks } from './publish-ops.ts'
import { settle } from './settle.ts'
import type { FileState, ShadowFork } from './shadow-fork.ts'
import { giveAllBack } from './spill.ts'

/**
 * Publishes what is staged, atomically; durable after the next flush of the journal. Does nothing
 * but `also` when nothing is staged. Throws what broke the fork.
 */
export async function publish(
  engine: Engine,
  file: FileState,
  options: PublishOptions,
): Promise<void> {
  const release = await file.lock.acquire()
  try {
    await publishLocked(engine, file, options)
  } finally {
    release()
  }
}

/** The same. Requires: the caller holds the file's lock. */
async function publishLocked(
  engine: Engine,
  file: FileState,
  options: PublishOptions,
): Promise<void> {
  const fork = file.shadow
  if (fork === undefined) {
    if (options.also !== undefined) await commitAlone(engine, options.also, options.soon)
    return
  }
  if (fork.broken !== undefined) throw fork.broken
  if (fork.spilledCount > 0 || fork.writesUnderWay.size > 0) await settle(engine, fork) // 1., 2.
  const cutLeaves = needsCut(engine, file, fork) ? await leavesToCut(engine, file, fork) : []
  for (;;) {
    const change = buildMapChange(engine, file, fork, cutLeaves)
    const blockCount = recordBlocks(change, fork)
    if (blockCount > engine.journal.recordBlocksMax) {
      await publishLarge(engine, file, fork, options)
      return
    }
    if (engine.journal.hasRoom(blockCount, options.soon)) {
      const { mapGeneration } = engine.inodes.get(file.ino)
      // First, because it may refuse, and what pushPages allocates could not be taken back.
      options.also?.(change)
      commitPages(engine, file, fork, change, options.soon) // 3.
      if (fork.freshMap) engine.onMapReplaced(file.ino, mapGeneration)
      break
    }
    // The inode may have changed while there was no room, so the change is made again.
    await engine.journal.room(blockCount, options.soon)
  }
  giveAllBack(engine, fork)
  file.shadow = undefined
}

async function commitAlone(
  engine: Engine,
  also: (change: Change) => void,
  soon: boolean,
): Promise<void> {
  while (!engine.hasRoom) await engine.room()
  const change = engine.begin()
  also(change)
  if (!change.isEmpty) engine.commit(change, soon)
}

function needsCut(engine: Engine, file: FileState, fork: ShadowFork): boolean {
  const { size, blockCount } = engine.inodes.get(file.ino)
  return !fork.freshMap && blockCount > 0 && fork.cutBlock * BLOCK_SIZE < size
}

/** Leaves of the data fork that the fork's truncation touches. */
async function leavesToCut(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
): Promise<readonly number[]> {
  const inode = engine.inodes.get(file.ino)
  const firstLeaf = Math.floor(fork.cutBlock / LEAF_BLOCKS)
  const endLeaf = Math.ceil(inode.size / BLOCK_SIZE / LEAF_BLOCKS)
  // A few leaves are looked up faster than a range of the index is opened.
  if (endLeaf - firstLeaf <= 16) {
    return Array.from({ length: endLeaf - firstLeaf }, (_, i) => firstLeaf + i)
  }
  return engine.store.maps.get(file.ino, inode.mapGeneration).existingLeaves(firstLeaf)
}
