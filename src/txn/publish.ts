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
import { commitStaged, settleStaged } from './commit-staged.ts'
import type { Engine } from './engine.ts'
import { lockAll } from './lock.ts'
import { releaseOldMap } from './publish-large.ts'
import type { PublishOptions } from './publish-ops.ts'
import { assertMergeable, leaveBase, rebase, takeBase } from './rebase.ts'
import { foldSavepoints } from './savepoints.ts'
import type { FileState } from './shadow-fork.ts'
import { giveAllBack } from './spill.ts'

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
  const all = await settleStaged(engine, files) // 1., 2.
  if (all.length === 0) {
    if (options.also !== undefined) await commitAlone(engine, options.also, options.soon)
    return
  }
  const refusal = await commitStaged(engine, all, options) // 3.
  for (const { file, fork } of all) {
    giveAllBack(engine, fork)
    file.shadow = undefined
  }
  for (const staged of all) await releaseOldMap(engine, staged)
  if (refusal !== undefined) throw refusal.error
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
