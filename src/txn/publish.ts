/**
 * Publishing: shadow forks become their files. One file, or several in one commit.
 *
 * Order, and what a crash after each step leaves:
 *
 *   1. spilled blocks are on the disk: their writes have returned. Old files; nothing refers to them.
 *   2. if there are any, the blocks are flushed, so that no record can refer to content that is not
 *      durable. Old files.
 *   3. one commit: truncations, holes, remaps of spilled blocks, pages, and the inodes with the new
 *      sizes and times. Appended and applied in one tick. The whole old files until the commit is
 *      durable, the whole new ones from then on: a commit of several records counts when its last
 *      one does.
 *
 * A file whose new map does not fit one record has it written before step 3, where nothing refers to
 * it: `publish-large.ts`.
 *
 * Forks of handles of isolated files are moved to what is published now before 1., or refused, all or
 * none; nobody else publishes these files until the end, because that needs their locks. What 3. takes
 * away is kept for those who read it, in the same tick (`versions.ts`).
 */
import { FsError } from '../errors.ts'
import type { Change } from './change.ts'
import { leavesToCut } from './cut-leaves.ts'
import type { Engine } from './engine.ts'
import { lockAll } from './lock.ts'
import { releaseOldMap, writeNewMap } from './publish-large.ts'
import {
  type PublishOptions,
  type Staged,
  commitPages,
  pushMapChange,
  recordBlocks,
} from './publish-ops.ts'
import { assertMergeable, leaveBase, rebase, takeBase } from './rebase.ts'
import { foldSavepoints } from './savepoints.ts'
import { settle } from './settle.ts'
import type { FileState, ShadowFork } from './shadow-fork.ts'
import { giveAllBack, spillPages } from './spill.ts'

/** A map that takes less of a record than this would gain nothing from being written before. */
const SMALL_MAP_BYTES = 1024

/**
 * Publishes what is staged, atomically; durable after the next flush of the journal. Does nothing
 * but `also` when nothing is staged, or when a transaction is under way that this does not end. Throws
 * what broke the fork, or FsError EBUSY if others have published what does not go together with it;
 * nothing has changed then.
 */
export async function publish(
  engine: Engine,
  file: FileState,
  options: PublishOptions,
): Promise<void> {
  await publishAll(engine, [file], options)
}

/** The same for several files, all in one commit or, if it throws, none. */
export async function publishAll(
  engine: Engine,
  files: readonly FileState[],
  options: PublishOptions,
): Promise<void> {
  const unlock = await lockAll(files)
  try {
    await publishLocked(engine, publishable(files, options), options)
    for (const file of files) if (file.transaction === options.ends) file.transaction = undefined
  } finally {
    unlock()
  }
}

/**
 * Files that no open transaction keeps from being published. Throws FsError EBUSY if one of several
 * is: all or none.
 */
function publishable(files: readonly FileState[], { ends }: PublishOptions): readonly FileState[] {
  const free = files.filter(({ transaction }) => transaction === undefined || transaction === ends)
  if (files.length > 1 && free.length < files.length) {
    throw new FsError('EBUSY', 'A transaction of one of the files is open')
  }
  return free
}

/** Requires: the caller holds the files' locks. */
async function publishLocked(
  engine: Engine,
  files: readonly FileState[],
  options: PublishOptions,
): Promise<void> {
  const views = [...new Set(files)].filter(({ isIsolated }) => isIsolated)
  for (const { shadow } of views) if (shadow?.broken !== undefined) throw shadow.broken
  for (const view of views) assertMergeable(view)
  for (const view of views) foldSavepoints(engine, view)
  for (const view of views) rebase(engine, view)
  for (const view of views) leaveBase(engine, view)
  try {
    await publishForks(engine, files, options)
  } finally {
    for (const view of views) takeBase(engine, view)
  }
}

/** Requires: what the files stand on are their data forks. */
async function publishForks(
  engine: Engine,
  files: readonly FileState[],
  options: PublishOptions,
): Promise<void> {
  const forks = [...new Set(files)].flatMap((file) => file.shadow ?? [])
  const broken = forks.find((fork) => fork.broken !== undefined)?.broken
  if (broken !== undefined) throw broken
  if (forks.length === 0) {
    if (options.also !== undefined) await commitAlone(engine, options.also, options.soon)
    return
  }
  await settleSpilled(engine, forks) // 1., 2.
  const all: Staged[] = []
  for (const file of new Set(files)) {
    const fork = foldSavepoints(engine, file)
    if (fork === undefined) continue
    all.push({ file, fork, cutLeaves: await leavesToCut(engine, file, fork), newMap: undefined })
  }
  const refusal = await commitStaged(engine, all, options) // 3.
  for (const { file, fork } of all) {
    giveAllBack(engine, fork)
    file.shadow = undefined
  }
  for (const staged of all) await releaseOldMap(engine, staged)
  if (refusal !== undefined) throw refusal.error
}

async function settleSpilled(engine: Engine, forks: readonly ShadowFork[]): Promise<void> {
  const isSpilled = forks.some((fork) => fork.hasSpilled || fork.writesUnderWay.size > 0)
  if (isSpilled) await settle(engine, forks)
}

/**
 * Commits as soon as there is room. Returns what kept `also` from being in it: new maps cannot be
 * taken back, so files that have one are published without.
 */
async function commitStaged(
  engine: Engine,
  all: readonly Staged[],
  options: PublishOptions,
): Promise<{ readonly error: unknown } | undefined> {
  for (;;) {
    const hasNewMap = all.some(({ newMap }) => newMap !== undefined)
    const soon = options.soon && !hasNewMap
    // After whatever is waited for, inodes may have changed, so the change is made again.
    const { change, mapBytes } = mapChange(engine, all)
    const shrinking = shrink(engine, all, mapBytes)
    if (shrinking !== undefined) {
      await shrinking
      continue
    }
    const blockCount = commitBlocks(engine, change.sizeBytes, all)
    if (!engine.journal.hasRoom(blockCount, soon)) {
      await engine.journal.room(blockCount, soon)
      continue
    }
    // First, because it may refuse, and what pushPages allocates could not be taken back.
    const refusal = refusalOf(change, options)
    if (refusal !== undefined && !hasNewMap) throw refusal.error
    const replaced = all
      .filter(({ fork, newMap }) => fork.freshMap && newMap === undefined)
      .map(({ file: { ino } }) => ({ ino, generation: engine.inodes.get(ino).mapGeneration }))
    commitPages(engine, all, refusal === undefined ? change : mapChange(engine, all).change, soon)
    for (const { ino, generation } of replaced) engine.onMapReplaced(ino, generation)
    return refusal
  }
}

/** All but the pages, and how many bytes of the record each file's map takes. */
function mapChange(
  engine: Engine,
  all: readonly Staged[],
): { readonly change: Change; readonly mapBytes: readonly number[] } {
  const change = engine.begin()
  const mapBytes = all.map((staged) => {
    const before = change.sizeBytes
    pushMapChange(engine, staged, change)
    return change.sizeBytes - before
  })
  return { change, mapBytes }
}

function refusalOf(
  change: Change,
  { also }: PublishOptions,
): { readonly error: unknown } | undefined {
  try {
    also?.(change)
    return undefined
  } catch (error) {
    return { error }
  }
}

/**
 * Takes out of the commit what makes it too large: maps that do not fit a record are written before
 * it, and so are many pages. Undefined if it is not too large. Throws FsError EFBIG where that does
 * not help, and ENOSPC: so many pages may need more blocks than were set aside.
 */
function shrink(
  engine: Engine,
  all: readonly Staged[],
  mapBytes: readonly number[],
): Promise<void> | undefined {
  const { recordBlocksMax, commitBlocksMax } = engine.journal
  const isLarge = all.map(
    ({ fork, newMap }, i) =>
      newMap === undefined && recordBlocks(mapBytes[i] ?? 0, fork.pages.size) > recordBlocksMax,
  )
  const large = all.filter((_, i) => isLarge[i] === true)
  const bytesLeft = mapBytes.reduce((sum, bytes, i) => sum + (isLarge[i] === true ? 0 : bytes), 0)
  if (commitBlocks(engine, bytesLeft, all) <= commitBlocksMax) {
    return large.length > 0 ? writeNewMaps(engine, large) : undefined
  }
  const forks = all.flatMap(({ fork, newMap }) =>
    newMap === undefined && fork.pages.size > 0 ? fork : [],
  )
  if (forks.length > 0) return spillAll(engine, forks)
  const largest = all.filter(
    ({ newMap }, i) => newMap === undefined && (mapBytes[i] ?? 0) > SMALL_MAP_BYTES,
  )
  if (largest.length > 0) return writeNewMaps(engine, largest)
  throw new FsError('EFBIG', `The changes of ${all.length} files do not fit one commit`)
}

async function writeNewMaps(engine: Engine, large: readonly Staged[]): Promise<void> {
  for (const staged of large) staged.newMap = await writeNewMap(engine, staged)
}

/** Pages in blocks of the disk leave a line in the record each. */
async function spillAll(engine: Engine, forks: readonly ShadowFork[]): Promise<void> {
  for (const fork of forks) spillPages(engine, fork)
  await settle(engine, forks)
}

/** Room that a commit takes, with what is lost where it is divided into records. */
function commitBlocks(engine: Engine, mapBytes: number, all: readonly Staged[]): number {
  const pageCount = all.reduce((sum, { fork }) => sum + fork.pages.size, 0)
  const blockCount = recordBlocks(mapBytes, pageCount, all.length)
  return blockCount + 2 * Math.floor(blockCount / engine.journal.recordBlocksMax)
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
