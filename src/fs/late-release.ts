/**
 * Doing what a RELEASE will do, for one that is late. Linux sends it in the background, where it may
 * wait behind pages that are written back, and neither close(2) nor the end of a process waits for it.
 * Most of what counts has happened by then, inside FLUSH; two things have not: a file that was closed
 * in order is not published, and where Linux has left out the FLUSH of a process that was killed,
 * nothing is discarded. Whoever opens the file in between would write on top of that, publish half of
 * the dead one's update with his own, or take the finished one with him when he dies.
 *
 * So an open waits. A handle is given up, as if it were released, if nobody has the file open and
 *
 *   - its descriptors were closed: a FLUSH has come, and whoever opens it now did so after that; or
 *   - who has opened it is gone for good: then its FLUSH will not come any more.
 */
import { isAtomic } from '../store/inode.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { applyPolicy, hasDied } from './close-policy.ts'
import type { FsContext } from './context.ts'
import type { OpenFile } from './file-table.ts'
import { discard } from './rollback.ts'
import { abortAtRelease } from './transactions.ts'

/** Whether an open has to ask `settleReleases` first: something is staged, and not by who opens. */
export function mayBeReleased(context: FsContext, file: FileState | undefined): boolean {
  if (file === undefined) return false
  if (file.discarding !== undefined) return true
  if (file.shadow === undefined || context.files.writerCount(file) === 0) return false
  return isAtomic(context.engine.inodes.get(file.ino))
}

/**
 * Requires: the kernel does not hold the inode's lock or that of the root directory while it waits for
 * this, as it does for an open that truncates and for one that makes the file.
 */
export async function settleReleases(
  context: FsContext,
  file: FileState,
  isWriter: boolean,
): Promise<void> {
  await file.discarding?.catch(() => undefined)
  const writers = context.files.writers(file)
  if (!(await areGone(context, file, writers, isWriter))) return
  // Others may have come, or have done this, meanwhile.
  const isSame = context.files.writers(file).every((handle, index) => handle === writers[index])
  if (!isSame || context.files.writerCount(file) !== writers.length) {
    await file.discarding?.catch(() => undefined)
    return
  }
  const haveDied = hasLastDied(context, writers)
  for (const handle of writers) context.files.giveUp(handle)
  try {
    for (const handle of writers)
      if (handle.beginner !== undefined) await abortAtRelease(context, handle)
    if (haveDied) await discard(context, file, 'its last writer died')
    else await applyPolicy(context, file)
  } catch (error) {
    context.log.error({ ino: file.ino, err: error }, 'content staged at close was not stored')
  }
}

/** The last one decides; one without a FLUSH is that, as nobody knows when it was. */
function hasLastDied(context: FsContext, writers: readonly OpenFile[]): boolean {
  const unknown = writers.find(({ isFlushed }) => !isFlushed)
  const last = writers.reduce((a, b) => (b.closeOrder > a.closeOrder ? b : a))
  return hasDied(context, unknown ?? last)
}

/** Who only reads sees what is staged anyway, so nothing is looked for while the writer lives. */
async function areGone(
  { processes }: FsContext,
  { ino, shadow }: FileState,
  writers: readonly OpenFile[],
  isWriter: boolean,
): Promise<boolean> {
  if (shadow === undefined || writers.length === 0) return false
  for (const { isReleasing, isFlushed, mappedBy, openedBy } of writers) {
    if (isReleasing || mappedBy !== undefined || openedBy <= 0) return false
    const isAlive = processes.isThere(openedBy)
    if (isAlive && !(isWriter && isFlushed)) return false
  }
  return !(await processes.mayHaveWriter(
    ino,
    writers.map(({ openedBy }) => openedBy),
  ))
}
