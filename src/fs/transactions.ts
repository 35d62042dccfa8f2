/**
 * Transactions of one file: START, COMMIT and ABORT.
 *
 * A transaction belongs to the handle that has begun it. While it is open nothing of the file is
 * published but by its COMMIT, whatever kind of file it is. It is shared like all that is staged:
 * everybody sees it, and what others write meanwhile is part of it; unless the file is isolated, where
 * each handle has its own view, and transactions in it.
 *
 * The kernel tells nothing of what it has dirty before an ioctl, so each of these has it sent first:
 * what was written before START must be there before the savepoint, what was written before COMMIT
 * in what is published. That must not be done with the file's lock held, which the writes wait for.
 */
import { FsError } from '../errors.ts'
import { INODE_IN_GROUP, isAtomic } from '../store/inode.ts'
import { publish } from '../txn/publish.ts'
import { currentSize } from '../txn/read.ts'
import { takeBase } from '../txn/rebase.ts'
import { endTransaction, returnToSavepoint, setSavepoint } from '../txn/savepoints.ts'
import { type FileState, Transaction } from '../txn/shadow-fork.ts'
import { stageTruncate } from '../txn/stage.ts'
import type { FsContext } from './context.ts'
import { publishDurably } from './durable.ts'
import { type OpenFile, assertWriter } from './file-table.ts'
import type { Caller } from './operations.ts'
import { assertMutable } from './protection.ts'
import { discard, restoreSize } from './rollback.ts'

/**
 * START: a savepoint, which begins a transaction if the handle has none.
 * Throws FsError EBADF, EBUSY, EINVAL for a file of a group, EPERM, EROFS, ENOSPC or EIO.
 */
export async function startTransaction(
  context: FsContext,
  handle: OpenFile,
  caller?: Caller,
): Promise<void> {
  await begin(context, handle, caller, () => undefined)
}

/** The same, and the file is empty until something is written. */
export async function replaceInTransaction(
  context: FsContext,
  handle: OpenFile,
  caller?: Caller,
): Promise<void> {
  const { engine, kernel } = context
  const { view } = handle
  let before = 0
  await begin(context, handle, caller, () => {
    before = currentSize(engine, view)
    stageTruncate(engine, view, 0)
  })
  if (view.isIsolated) return
  await restoreSize(context, view, before)
  await kernel.invalidate(view.ino)
}

async function begin(
  context: FsContext,
  handle: OpenFile,
  caller: Caller | undefined,
  change: () => void,
): Promise<void> {
  const { engine, kernel, processes } = context
  const { view } = handle
  const pid = caller?.pid ?? 0
  engine.health.assertWritable()
  assertWriter(handle)
  const inode = engine.inodes.get(view.ino)
  assertMutable(inode)
  if ((inode.flags & INODE_IN_GROUP) !== 0) {
    throw new FsError('EINVAL', 'A file of a group has no transactions of its own')
  }
  assertNotOthers(handle)
  if (!view.isIsolated) await kernel.writeBack(view.ino)
  // Others may want their fsync of that to mean something while this transaction is open.
  const isOrdinary = !isAtomic(engine.inodes.get(view.ino))
  if (isOrdinary && view.shadow !== undefined) await publish(engine, view, { soon: false })
  if (handle.beginner?.pid !== pid) handle.beginner = { pid, process: processes.processOf(pid) }
  const unlock = await view.lock.acquire()
  try {
    engine.health.assertWritable()
    assertNotOthers(handle)
    const transaction = ownTransaction(handle) ?? new Transaction()
    setSavepoint(engine, view, transaction)
    handle.transaction = transaction
    change()
  } finally {
    unlock()
  }
}

/**
 * COMMIT: publishes what is staged, durably, and ends the transaction with all its savepoints; an
 * fsync if there is none. If it fails the transaction stays open, so that ABORT can follow.
 * Throws FsError EBADF, EBUSY, EROFS, EIO, or ECANCELED if somebody has rolled the transaction back.
 */
export async function commitTransaction(context: FsContext, handle: OpenFile): Promise<void> {
  const { engine, kernel } = context
  const { view } = handle
  engine.health.assertWritable()
  assertWriter(handle)
  assertNotOthers(handle)
  if (handle.transaction !== undefined && ownTransaction(handle) === undefined) {
    handle.transaction = undefined
    throw new FsError('ECANCELED', 'The transaction was rolled back by user.atomic.rollback')
  }
  if (handle.transaction === undefined) {
    await kernel.invalidate(view.ino)
  } else if (!view.isIsolated) {
    // A write that fails by this has broken the fork, and that says more.
    const failure = await kernel.writeBack(view.ino).catch((error: unknown) => ({ error }))
    if (view.shadow?.broken !== undefined) throw view.shadow.broken
    if (failure !== undefined) throw failure.error
  }
  await publishDurably(context, view, handle.transaction)
  handle.transaction = undefined
}

/**
 * ABORT: back to the last START of this handle, for every opener; nothing if there is none.
 * Throws FsError EBADF, EBUSY, or EIO if the kernel may go on showing what was dropped.
 */
export async function abortTransaction(context: FsContext, handle: OpenFile): Promise<void> {
  assertWriter(handle)
  assertNotOthers(handle)
  const transaction = ownTransaction(handle)
  if (transaction !== undefined)
    await rollBack(context, handle.view, transaction, returnToSavepoint)
  if (ownTransaction(handle) === undefined) handle.transaction = undefined
}

/** One descriptor of a handle is closed: whoever has begun a transaction through it may be gone. */
export async function abortAtFlush(
  context: FsContext,
  handle: OpenFile,
  caller: Caller,
): Promise<void> {
  if (ownTransaction(handle) === undefined) return
  if (await isLeft(context, handle, caller)) await abortAll(context, handle)
}

/** Nothing refers to a handle any more. */
export async function abortAtRelease(context: FsContext, handle: OpenFile): Promise<void> {
  await abortAll(context, handle)
}

async function abortAll(context: FsContext, handle: OpenFile): Promise<void> {
  const transaction = ownTransaction(handle)
  handle.transaction = undefined
  if (transaction !== undefined) await rollBack(context, handle.view, transaction, endTransaction)
}

/**
 * Whether the process that has begun the transaction of a handle ends, or has closed its last
 * descriptor of the file. Its locks go with this close, so a RELEASE would come too late.
 */
async function isLeft(
  { processes }: FsContext,
  { file, beginner }: OpenFile,
  { pid }: Caller,
): Promise<boolean> {
  const process = beginner?.pid === pid ? beginner.process : processes.processOf(pid)
  if (process === undefined || process !== beginner?.process) return false
  const state = processes.state(pid)
  if (state !== 'running') return state !== 'unknown'
  return !(await processes.hasDescriptor(pid, file.ino))
}

type Drop = typeof returnToSavepoint

async function rollBack(
  context: FsContext,
  view: FileState,
  transaction: Transaction,
  drop: Drop,
): Promise<void> {
  const dropOwn: Drop = (engine) => {
    if (view.transaction === transaction) drop(engine, view)
  }
  if (view.isIsolated) {
    await rollBackView(context, view, dropOwn)
    return
  }
  // What is dirty in the kernel's cache was written before: it is staged, and dropped with the rest.
  await context.kernel.invalidate(view.ino).catch(() => undefined)
  await discard(context, view, 'the transaction was aborted', dropOwn)
}

/** With nothing staged the handle goes on to what is published now, as with every discard. */
async function rollBackView({ engine }: FsContext, view: FileState, drop: Drop): Promise<void> {
  const unlock = await view.lock.acquire()
  try {
    drop(engine, view)
    if (view.shadow === undefined) takeBase(engine, view)
  } finally {
    unlock()
  }
}

/** The open transaction of a handle: not one that somebody has rolled back meanwhile. */
function ownTransaction({ view, transaction }: OpenFile): Transaction | undefined {
  return view.transaction === transaction ? transaction : undefined
}

function assertNotOthers(handle: OpenFile): void {
  if (handle.isReleasing) throw new FsError('EBADF', `File handle ${handle.fh} is being closed`)
  const { transaction } = handle.view
  if (transaction === undefined || transaction === handle.transaction) return
  throw new FsError('EBUSY', 'A transaction of another descriptor of the file is open')
}
