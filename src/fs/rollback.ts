/** Dropping staged content, and making the kernel forget what it has cached of it. */
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import { discardLocked } from '../txn/discard.ts'
import type { Engine } from '../txn/engine.ts'
import { currentSize, readFile } from '../txn/read.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import type { FsContext } from './context.ts'

/** Takes staged content off a file whose lock is held. */
type Drop = (engine: Engine, file: FileState) => void

/**
 * Drops what is staged, as seen by every opener. Requires: the kernel does not hold the inode's lock
 * while it waits for this.
 */
export async function discard(
  context: FsContext,
  file: FileState,
  why: string,
  drop: Drop = discardLocked,
): Promise<void> {
  const discarding = discardVisibly(context, file, why, drop)
  file.discarding = discarding
  try {
    await discarding
  } finally {
    if (file.discarding === discarding) file.discarding = undefined
    context.files.settle(file)
  }
}

async function discardVisibly(
  context: FsContext,
  file: FileState,
  why: string,
  drop: Drop,
): Promise<void> {
  const before = currentSize(context.engine, file)
  await discardLockedly(context, file, why, drop)
  await restoreSize(context, file, before)
  await forget(context, file.ino)
}

/** Has the kernel forget what it has cached of a file; if the mount has ended, that is gone with it. */
async function forget({ kernel }: FsContext, ino: Ino): Promise<void> {
  try {
    await kernel.invalidate(ino)
  } catch (error) {
    if (!(error instanceof FsError && error.code === 'ENOTCONN')) throw error
  }
}

/**
 * The same for `user.atomic.rollback`. The kernel holds the inode's lock until it is answered, and
 * shrinking its idea of the size takes that lock, so this follows right behind the answer. Until
 * then whoever asks for attributes waits, and a write(2) asks before it takes the lock.
 */
export async function rollback(context: FsContext, file: FileState): Promise<void> {
  // What is still dirty in the kernel's cache was written before the rollback: stage it, drop it.
  await context.kernel.invalidate(file.ino)
  const before = currentSize(context.engine, file)
  await discardLockedly(context, file, 'rolled back')
  const size = currentSize(context.engine, file)
  if (size > before) await restoreSize(context, file, before)
  const beginToShrink = size < before ? shrinkAfter(context, file, before) : undefined
  try {
    await forget(context, file.ino)
  } finally {
    beginToShrink?.()
  }
}

/**
 * A read holds pages locked, which shrinking wants to drop, or it belongs to a write that holds the
 * inode's lock. So it waits no longer than until the kernel has the size, and not for ever.
 */
const READ_WAIT_MS = 1000

const nothing = (): void => undefined

/** Has attributes waited for from now on; shrinks when what it returns is called. */
function shrinkAfter(context: FsContext, file: FileState, before: number): () => void {
  let begin = nothing
  const resizing = new Promise<void>((resolve) => {
    begin = resolve
  })
    .then(async () => shrink(context, file, before))
    .catch((error: unknown) => {
      context.log.error({ ino: file.ino, err: error }, 'the kernel may still show what was dropped')
    })
    .finally(() => {
      if (file.resizing === resizing) file.resizing = undefined
      context.files.settle(file)
    })
  file.resizing = resizing
  return begin
}

/**
 * Has the kernel take over a size that has changed behind its back. Whoever asks for attributes or reads
 * waits for it. Requires: the kernel does not hold the inode's lock while it waits for this.
 */
export async function showSize(context: FsContext, file: FileState, before: number): Promise<void> {
  const size = currentSize(context.engine, file)
  if (size === before) return
  if (size < before) {
    const begin = shrinkAfter(context, file, before)
    begin()
    await file.resizing
  } else {
    await restoreSize(context, file, before)
  }
}

async function shrink(context: FsContext, file: FileState, before: number): Promise<void> {
  let onTaken = nothing
  const sizeTaken = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, READ_WAIT_MS)
    onTaken = () => {
      clearTimeout(timer)
      resolve()
    }
  })
  file.sizeTaken = sizeTaken
  try {
    await restoreSize(context, file, before, onTaken)
  } finally {
    onTaken()
    if (file.sizeTaken === sizeTaken) file.sizeTaken = undefined
  }
  await forget(context, file.ino)
}

/** Has the kernel take over the size that the file has, if it is not the one that it had before. */
export async function restoreSize(
  context: FsContext,
  file: FileState,
  before: number,
  onTaken?: () => void,
): Promise<void> {
  const size = currentSize(context.engine, file)
  if (size === before) return
  try {
    if (size > before) {
      const lastByte = Buffer.concat(await readFile(context.engine, file, size - 1, 1))
      await context.kernel.resize(file.ino, size, { lastByte })
    } else {
      await context.kernel.resize(file.ino, size, onTaken === undefined ? {} : { onTaken })
    }
  } catch (error) {
    context.log.error({ ino: file.ino, err: error }, 'the kernel keeps a size that was rolled back')
  }
}

async function discardLockedly(
  context: FsContext,
  file: FileState,
  why: string,
  drop: Drop = discardLocked,
): Promise<void> {
  const release = await file.lock.acquire()
  try {
    const { shadow, transaction } = file
    if (shadow === undefined && transaction === undefined) return
    const stagedBytes = shadow?.stagedBytes ?? 0
    context.log.debug({ ino: file.ino, stagedBytes, why }, 'discarded')
    drop(context.engine, file)
  } finally {
    release()
  }
}
