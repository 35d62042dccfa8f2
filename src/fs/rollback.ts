/** Dropping staged content, and making the kernel forget what it has cached of it. */
import { discardLocked } from '../txn/discard.ts'
import { currentSize } from '../txn/read.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import type { FsContext } from './context.ts'

/**
 * Drops what is staged, as seen by every opener. Requires: the kernel does not hold the inode's lock
 * while it waits for this.
 */
export async function discard(context: FsContext, file: FileState, why: string): Promise<void> {
  const before = currentSize(context.engine, file)
  await discardLockedly(context, file, why)
  await restoreSize(context, file, before)
  await context.kernel.invalidate(file.ino)
}

/**
 * The same for `user.atomic.rollback`. The kernel holds the inode's lock until it is answered, and
 * changing its idea of the size takes that lock, so the size follows right behind the answer.
 * Whoever asks for attributes meanwhile waits for it.
 */
export async function rollback(context: FsContext, file: FileState): Promise<void> {
  // What is still dirty in the kernel's cache was written before the rollback: stage it, drop it.
  await context.kernel.invalidate(file.ino)
  const before = currentSize(context.engine, file)
  await discardLockedly(context, file, 'rolled back')
  await context.kernel.invalidate(file.ino)
  if (currentSize(context.engine, file) === before) return
  const resized = restoreSizeLater(context, file, before).finally(() => {
    if (file.resizing === resized) file.resizing = undefined
  })
  file.resizing = resized
}

/** What a program appends right after its rollback is written back, and so counted, before. */
async function restoreSizeLater(
  context: FsContext,
  file: FileState,
  before: number,
): Promise<void> {
  await context.kernel.invalidate(file.ino)
  await restoreSize(context, file, before)
  await context.kernel.invalidate(file.ino)
}

async function restoreSize(context: FsContext, file: FileState, before: number): Promise<void> {
  const size = currentSize(context.engine, file)
  if (size === before) return
  try {
    await context.kernel.resize(file.ino, size)
  } catch (error) {
    context.log.error({ ino: file.ino, err: error }, 'the kernel keeps a size that was rolled back')
  }
}

async function discardLockedly(context: FsContext, file: FileState, why: string): Promise<void> {
  const release = await file.lock.acquire()
  try {
    const { shadow } = file
    if (shadow === undefined) return
    context.log.debug({ ino: file.ino, stagedBytes: shadow.stagedBytes, why }, 'discarded')
    discardLocked(context.engine, file)
  } finally {
    release()
  }
}
