/**
 * What happens to staged content when files are closed.
 *
 * A handle may be shared by several descriptors and processes, and FLUSH tells of each close; only
 * RELEASE says that the last one is gone. Publishing at a FLUSH would publish half: `cmd > file` in
 * a shell closes a duplicate before the first byte is written. So an atomic file is published or
 * kept at RELEASE, by how the descriptor before was closed. Death is different: content is dropped
 * inside the FLUSH of the dying process, before its locks are, provided that nobody else has the
 * file open for writing. An ordinary file is published at every FLUSH; nobody relies on when.
 *
 * Linux can leave out a FLUSH. A process that is killed inside of setxattr(2) leaves an error at the
 * inode, because the kernel cannot store the new ctime for it any more; closing the descriptor runs
 * into that error before FLUSH is sent (seen on 6.18). So staged content is dropped, too, when RELEASE
 * comes without a FLUSH, or without one after writes and attributes. A program that has called
 * close(2) itself then was told EIO. What remains: a descriptor was duplicated and closed, nothing is
 * written after that, and the process is killed inside of setxattr(2). `late-release.ts` is about who
 * opens the file before that RELEASE.
 */
import {
  INODE_ON_CLOSE_DISCARD,
  INODE_ON_CLOSE_KEEP,
  isAtomic,
  isIsolated,
} from '../store/inode.ts'
import { publish } from '../txn/publish.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import type { FsContext } from './context.ts'
import type { OpenFile } from './file-table.ts'
import { publishGroup } from './groups.ts'
import { discardView, leaveView, onIsolatedFlush } from './isolation.ts'
import type { Caller } from './operations.ts'
import { discard } from './rollback.ts'
import { abortAtFlush, abortAtRelease } from './transactions.ts'

/** One descriptor of a handle is closed. */
export async function onFlush(context: FsContext, handle: OpenFile, caller: Caller): Promise<void> {
  const { file } = handle
  file.isWrittenSinceFlush = false
  file.hasXattrsSinceFlush = false
  await context.kernel.endWriteBacks(file.ino)
  if (handle.beginner !== undefined) await abortAtFlush(context, handle, caller)
  if (!isAtomic(context.engine.inodes.get(file.ino))) {
    if (file.shadow !== undefined) await publish(context.engine, file, { soon: false })
    return
  }
  const isNothingNew = isFinished(context, handle)
  handle.lastClose = isNothingNew ? 'clean' : closeKind(context, caller.pid)
  handle.isFlushed = true
  context.files.noteClose(handle)
  // Who has added nothing says nothing of it either.
  if (!isNothingNew) handle.closedSeq = file.shadow?.stageSeq
  if (handle.view !== file) {
    onIsolatedFlush(context, handle)
    return
  }
  handle.mappedBy = keepsMapped(context, handle, caller.pid) ? caller.pid : undefined
  file.isMappedAfterClose = context.files
    .writers(file)
    .some(({ mappedBy }) => mappedBy !== undefined)
  if (handle.lastClose === 'clean' || file.shadow === undefined) return
  if (await isStillWritten(context, handle)) return
  await discard(context, file, 'its last writer died')
}

/**
 * Whether all that is staged was closed in order through another handle, whose RELEASE is late: who closes
 * this one has added nothing, so that his death takes nothing away.
 */
function isFinished({ files }: FsContext, handle: OpenFile): boolean {
  const { file, view } = handle
  if (view !== file || file.shadow === undefined) return false
  const { stageSeq } = file.shadow
  return files
    .writers(file)
    .some((other) => other !== handle && isClosed(other) && other.closedSeq === stageSeq)
}

function isClosed({ isFlushed, lastClose, mappedBy }: OpenFile): boolean {
  return isFlushed && lastClose === 'clean' && mappedBy === undefined
}

/**
 * Whether somebody may go on writing to a file after the death of who has closed a handle. Others that
 * were closed are no sign of that, however long their RELEASE takes: then /proc tells.
 */
async function isStillWritten(context: FsContext, handle: OpenFile): Promise<boolean> {
  const { files, processes } = context
  const { file } = handle
  const isOpen = (other: OpenFile): boolean =>
    other.mappedBy !== undefined ||
    !(other.isFlushed || other.isReleasing || !processes.isThere(other.openedBy))
  const areOthers = (): boolean =>
    files.writers(file).some((other) => other !== handle && isOpen(other))
  return areOthers() || (await processes.hasWriter(file.ino)) || areOthers()
}

/** Whether who closes a descriptor has the file mapped through it: not if it cannot be read. */
function keepsMapped({ processes }: FsContext, { file, isReader }: OpenFile, pid: number): boolean {
  return isReader && processes.hasMapped(pid, file.ino)
}

/** Nothing refers to a handle any more. Requires: it is still counted as open, and as releasing. */
export async function onRelease(context: FsContext, handle: OpenFile): Promise<void> {
  const { file } = handle
  if (handle.beginner !== undefined) await abortAtRelease(context, handle)
  const inode = context.engine.inodes.find(file.ino)
  if (handle.isGivenUp || handle.view.shadow === undefined || inode === undefined) return
  if (handle.view !== file) {
    await onIsolatedRelease(context, handle)
    return
  }
  if (!isAtomic(inode)) {
    await publishClosed(context, file)
    return
  }
  // A mapping goes on after the close, and ends now.
  if (handle.closeOrder === 0 || handle.mappedBy !== undefined) context.files.noteClose(handle)
  const end = context.files.noteEnd(handle, hasDied(context, handle))
  // Another one that is being closed has published already what was there when it began.
  if (context.files.isWritten(file)) return
  if (end.hasDied) await discard(context, file, 'its last writer died')
  else await applyPolicy(context, file)
}

/**
 * What an isolated handle has staged is its own, seen by nobody else, so nothing has to be dropped
 * before the end of the handle, and the policy is applied to each by itself.
 */
async function onIsolatedRelease(context: FsContext, handle: OpenFile): Promise<void> {
  const { view } = handle
  const { flags } = context.engine.inodes.get(view.ino)
  if (hasDied(context, handle)) await discardView(context, view, 'its writer died')
  else if ((flags & INODE_ON_CLOSE_KEEP) !== 0) leaveView(context, handle)
  else if ((flags & INODE_ON_CLOSE_DISCARD) !== 0)
    await discardView(context, view, 'closing discards')
  else await publishClosed(context, view)
}

/**
 * Whether the last process that could write has died. One with the file mapped has closed its
 * descriptors long ago, so how it ends is looked up now. For others it is too late to look: a
 * process that closes and then exits with an error has closed in order.
 */
export function hasDied({ processes }: FsContext, handle: OpenFile): boolean {
  const { lastClose, mappedBy, mapperEnd } = handle
  if (lastClose === 'died') return true
  if (mappedBy === undefined) return isFlushMissing(handle)
  if (mapperEnd !== undefined) return mapperEnd === 'died'
  // Gone already: nobody can say how, and half an update is worse than none.
  return ['died', 'unknown'].includes(processes.state(mappedBy))
}

function isFlushMissing({ isFlushed, view }: OpenFile): boolean {
  return !isFlushed || (view.isWrittenSinceFlush && view.hasXattrsSinceFlush)
}

/**
 * Pages of a file are written back. When a process ends that has the file mapped, it waits for that,
 * so this is a moment at which its end can be seen; at RELEASE its parent may have reaped it.
 */
export function watchMappers({ files, processes }: FsContext, file: FileState): void {
  for (const handle of files.writers(file)) {
    if (handle.mappedBy === undefined) continue
    const state = processes.state(handle.mappedBy)
    if (state === 'exited' || state === 'died') handle.mapperEnd = state
  }
}

/**
 * Publishes a file that its writers have closed, if its RELEASE is still on the way or under way.
 * close(2) does not wait for RELEASE, but whoever closes a file and then renames it wants the
 * content to be there before the name.
 */
export async function publishIfClosed(context: FsContext, file: FileState): Promise<void> {
  const { flags } = context.engine.inodes.get(file.ino)
  if ((flags & (INODE_ON_CLOSE_DISCARD | INODE_ON_CLOSE_KEEP)) !== 0) return
  const writers = context.files.writers(file)
  const areClosed = writers.every(
    ({ isFlushed, lastClose, mappedBy }) =>
      isFlushed && lastClose === 'clean' && mappedBy === undefined,
  )
  if (writers.length === 0 || !areClosed || file.shadow?.broken !== undefined) return
  const isCertain = writers.every(({ isReleasing }) => isReleasing)
  if (!isCertain && (await context.processes.hasWriter(file.ino))) return
  const views = isIsolated(context.engine.inodes.get(file.ino)) ? writers : [{ view: file }]
  for (const { view } of views) await publishGroup(context, view, { soon: false })
}

/** truncate(2) opens no handle: without a writer it is a writer that has already closed. */
export async function afterTruncateByName(context: FsContext, file: FileState): Promise<void> {
  if (context.files.isWritten(file)) return
  if (isAtomic(context.engine.inodes.get(file.ino))) await applyPolicy(context, file)
  else await publish(context.engine, file, { soon: false })
}

/** What a clean close of the last writer does to an atomic file. */
export async function applyPolicy(context: FsContext, file: FileState): Promise<void> {
  const { flags } = context.engine.inodes.get(file.ino)
  if ((flags & INODE_ON_CLOSE_KEEP) !== 0) return
  if ((flags & INODE_ON_CLOSE_DISCARD) !== 0) {
    await discard(context, file, 'closing discards')
    return
  }
  if (file.shadow?.broken !== undefined) {
    await discard(context, file, 'a write to it was lost')
    return
  }
  await publishClosed(context, file)
}

async function publishClosed(context: FsContext, file: FileState): Promise<void> {
  const { closing } = context.files
  const publishing = publishGroup(context, file, { soon: false })
  const ended: Promise<unknown> = publishing
    .catch(() => undefined)
    .finally(() => closing.delete(ended))
  closing.add(ended)
  await publishing
}

const warned = new WeakSet<FsContext>()

function closeKind(context: FsContext, pid: number): 'clean' | 'died' {
  const state = context.processes.state(pid)
  if (state === 'unknown' && pid !== 0 && !warned.has(context)) {
    warned.add(context)
    context.log.warn({ pid }, 'cannot see how this process ends; its closes count as clean')
  }
  return state === 'died' ? 'died' : 'clean'
}
