/** Making content durable: what fsync(2) and its relatives wait for. */
import { FsError } from '../errors.ts'
import { INODE_IN_GROUP } from '../store/inode.ts'
import type { FileState, Transaction } from '../txn/shadow-fork.ts'
import type { FsContext } from './context.ts'
import { publishGroup } from './groups.ts'

/**
 * Publishes what is staged and returns when that, and everything before, is durable. What belongs to
 * a transaction stays staged, unless this ends it.
 */
export async function publishDurably(
  context: FsContext,
  file: FileState,
  ends?: Transaction,
): Promise<void> {
  const { engine } = context
  engine.health.assertDurable()
  await closedArePublished(context)
  const isHeld = file.transaction !== undefined && file.transaction !== ends
  const isGrouped = (engine.inodes.get(file.ino).flags & INODE_IN_GROUP) !== 0
  // A view goes on to what is published now, also when it has nothing staged.
  const mustPublish =
    file.shadow !== undefined || ends !== undefined || isGrouped || file.isIsolated
  if (mustPublish && !isHeld) await publishGroup(context, file, { soon: true, ends })
  if (!engine.journal.isDurable) await engine.journal.flush()
}

/** Returns when everything that was published before is durable. */
export async function flushDurably(context: FsContext): Promise<void> {
  const { health, journal } = context.engine
  health.assertDurable()
  await closedArePublished(context)
  if (!journal.isDurable) await journal.flush()
}

/**
 * Resolves when what was closed before is published. close(2) does not wait for RELEASE, so an fsync of
 * something else may come while the publish waits for its turn, and has to cover it. Discarding is not
 * waited for: it may need the kernel, which may be waiting for the fsync.
 */
export async function closedArePublished({ files }: FsContext): Promise<void> {
  if (files.closing.size > 0) await Promise.all(files.closing)
}

/** Before a file is published because somebody says so. Throws FsError EBUSY. */
export function assertNoTransaction({ transaction }: FileState): void {
  if (transaction === undefined) return
  throw new FsError('EBUSY', 'A transaction of the file is open; its COMMIT publishes it')
}
