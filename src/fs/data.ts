/** Opening, reading and writing files. */
import { FsError } from '../errors.ts'
import { type Ino, TYPE_FILE, TYPE_MASK, isAtomic, isFile } from '../store/inode.ts'
import { countHoles, mustCount } from '../txn/holes.ts'
import { publish } from '../txn/publish.ts'
import { currentSize, readFile } from '../txn/read.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { mustWait, writersTurn } from '../txn/spill.ts'
import { stageWrite } from '../txn/stage.ts'
import { assertAlive } from './alive.ts'
import { NOBODY, hasPrivileges, killPrivileges, setAttributes, truncate } from './attributes.ts'
import { dropReplaced, noteRead } from './beside-cache.ts'
import { onFlush, onRelease, watchMappers } from './close-policy.ts'
import { type FsContext, whenRoom } from './context.ts'
import { flushDurably, publishDurably } from './durable.ts'
import { type OpenFile, assertWriter } from './file-table.ts'
import { endView, noteUser, openHandle, viewForCache, whenClosed } from './isolation.ts'
import { mayBeReleased, settleReleases } from './late-release.ts'
import { findDirent } from './names.ts'
import { makeNodeNow, makeUnnamedNow, reapIfForgotten, referenced } from './namespace.ts'
import { assertOpenable, assertWritableNow } from './protection.ts'
import { mustSync } from './sync-writes.ts'
import {
  type Attributes,
  type Awaitable,
  type Caller,
  type FileHandle,
  OPEN_ACCMODE,
  OPEN_APPEND,
  OPEN_DSYNC,
  OPEN_EXCL,
  OPEN_RDONLY,
  OPEN_TRUNC,
  type Opened,
  type ReadHow,
  type ReadMemory,
  type WriteRequest,
} from './operations.ts'

/** An ordinary file is published when it has this much staged, in blocks: 256 MiB. */
const ORDINARY_STAGED_BLOCKS_MAX = 65_536

export function open(
  context: FsContext,
  ino: Ino,
  flags: number,
  caller: Caller,
): Awaitable<Opened> {
  const file = context.files.find(ino)
  const truncates = (flags & OPEN_TRUNC) !== 0
  if (file === undefined || truncates || !mayBeReleased(context, file)) {
    return openNow(context, ino, flags, caller)
  }
  const isWriter = (flags & OPEN_ACCMODE) !== OPEN_RDONLY
  return settleReleases(context, file, isWriter).then(() => openNow(context, ino, flags, caller))
}

function openNow(context: FsContext, ino: Ino, flags: number, caller: Caller): Awaitable<Opened> {
  const inode = context.engine.inodes.get(ino)
  if (!isFile(inode)) throw new FsError('EINVAL', `Inode ${ino} is not a regular file`)
  assertOpenable(inode, flags)
  assertAlive(context, ino)
  const closed = whenClosed(context, ino)
  if (closed !== undefined) return closed.then(() => openNow(context, ino, flags, caller))
  const isWriter = (flags & OPEN_ACCMODE) !== OPEN_RDONLY
  if (isWriter || (flags & OPEN_TRUNC) !== 0) {
    context.engine.health.assertWritable()
    context.transactions.assertNotReplaced(ino)
  }
  const handle = openHandle(context, ino, flags, caller)
  const opened = openedAs(handle)
  if ((flags & OPEN_TRUNC) === 0) {
    // Without any flag the kernel opens it by itself, for an ioctl; programs have O_LARGEFILE.
    if (handle.isReader && flags !== 0) countAsRead(context, handle)
    return opened
  }
  return truncateOpened(context, handle).then(
    () => opened,
    (error: unknown) => {
      context.files.close(handle)
      endView(context, handle)
      throw error
    },
  )
}

/** The kernel's cache knows one content of a file, so handles with one of their own do not use it. */
function openedAs({ fh, file, view }: OpenFile): Opened {
  const isDirect = view !== file
  return { fh, keepCache: !isDirect, isDirect }
}

async function truncateOpened(context: FsContext, { file, view }: OpenFile): Promise<void> {
  if (view !== file) context.kernelAttributes.changed(file.ino, { size: 0 })
  if (currentSize(context.engine, view) > 0) await truncate(context, view, 0)
  else if (view === file) await setAttributes(context, file.ino, { mtime: 'now' })
}

/** The kernel does not tell of what it reads from its cache, so who opens a file for that counts. */
function countAsRead({ engine, accessTimes, kernel }: FsContext, { file, keepsTime }: OpenFile) {
  if (keepsTime || !accessTimes.touch(engine.inodes.get(file.ino))) return
  kernel.dropAttributes(file.ino)
}

export function create(
  context: FsContext,
  parent: Ino,
  name: string,
  mode: number,
  flags: number,
  caller: Caller,
): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }> {
  return whenRoom(context, () => {
    const existing = findDirent(context, parent, name)
    if (existing !== undefined) return openExisting(context, existing.ino, name, flags, caller)
    const node = { parent, name, mode: TYPE_FILE | (mode & ~TYPE_MASK), caller }
    const attributes = makeNodeNow(context, node)
    const handle = openHandle(context, attributes.ino, flags, caller)
    return { attributes, opened: openedAs(handle) }
  })
}

export function makeUnnamed(
  context: FsContext,
  parent: Ino,
  mode: number,
  flags: number,
  caller: Caller,
): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }> {
  return whenRoom(context, () => {
    const node = { parent, mode: TYPE_FILE | (mode & ~TYPE_MASK), caller }
    const attributes = makeUnnamedNow(context, node)
    const handle = openHandle(context, attributes.ino, flags, caller)
    return { attributes, opened: openedAs(handle) }
  })
}

/** The kernel asks for a file to be made only where it knows of none. */
function openExisting(
  context: FsContext,
  ino: Ino,
  name: string,
  flags: number,
  caller: Caller,
): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }> {
  const isUsable = (flags & OPEN_EXCL) === 0 && isFile(context.engine.inodes.get(ino))
  if (!isUsable) throw new FsError('EEXIST', `"${name}" exists`)
  const finish = (opened: Opened) => ({ attributes: referenced(context, ino), opened })
  const opened = openNow(context, ino, flags, caller)
  return opened instanceof Promise ? opened.then(finish) : finish(opened)
}

export function read(
  context: FsContext,
  fh: FileHandle,
  offset: number,
  lengthBytes: number,
  { forCache, memory }: ReadHow = { forCache: false },
): Awaitable<readonly Uint8Array[]> {
  const handle = context.files.handle(fh)
  const view = forCache ? viewForCache(context, handle, offset + lengthBytes) : handle.view
  if (forCache) noteRead(view, offset, lengthBytes)
  if (!handle.keepsTime) context.accessTimes.touch(context.engine.inodes.get(view.ino))
  const mustWaitFirst = view.replacing !== undefined || view.sizeTaken !== undefined
  if (mustWaitFirst || mustCount(context.engine, view.ino)) {
    return readSlowly(context, view, { offset, lengthBytes, memory })
  }
  return readFile(context.engine, view, offset, lengthBytes, memory)
}

async function readSlowly(
  { engine }: FsContext,
  file: FileState,
  range: {
    readonly offset: number
    readonly lengthBytes: number
    readonly memory: ReadMemory | undefined
  },
): Promise<readonly Uint8Array[]> {
  while (file.replacing !== undefined) await file.replacing
  await file.sizeTaken
  if (mustCount(engine, file.ino)) await countHoles(engine, file.ino)
  return readFile(engine, file, range.offset, range.lengthBytes, range.memory)
}

export function write(
  context: FsContext,
  fh: FileHandle,
  request: WriteRequest,
): Awaitable<number> {
  const handle = context.files.handleInUse(fh)
  const { engine } = context
  if (request.data.length === 0) return 0
  try {
    engine.health.assertWritable()
    assertWriter(handle)
    const { view } = handle
    // What the kernel has cached was allowed when it was written.
    if (!request.fromCache) assertWritableNow(engine.inodes.get(view.ino))
    view.isWrittenSinceFlush = true
    if (view.isMappedAfterClose && request.fromCache) watchMappers(context, view)
    if (view.isIsolated && request.caller !== undefined) noteUser(context, handle, request.caller)
    const needsCare =
      view.lock.isHeld ||
      mustWait(engine) ||
      mustCount(engine, view.ino) ||
      (request.killPrivileges && hasPrivileges(engine.inodes.get(view.ino)))
    if (needsCare) return writeSlowly(context, handle, request)
    writeNow(context, view, request)
    const replaced = dropReplaced(context, view, request)
    const must = mustSync(context, handle, request)
    const isDone = replaced === undefined && must === false && !isFull(view)
    return isDone ? request.data.length : endWrite(context, view, request, must, replaced)
  } catch (error) {
    if (isFullForNow(context, error)) return writeSlowly(context, handle, request)
    loseWrite(context, handle, request, error)
    throw error
  }
}

/** Whether there is no space but what a checkpoint will free. */
function isFullForNow({ engine }: FsContext, error: unknown): boolean {
  const isFull = error instanceof FsError && error.code === 'ENOSPC'
  return isFull && engine.store.allocator.pendingCount > 0
}

function writeNow(
  { engine, kernel, kernelAttributes }: FsContext,
  file: FileState,
  request: WriteRequest,
): void {
  // The kernel's own time comes after the pages, or not at all where the file has it already.
  const keepTime = kernel.ownsAttributes === true && !file.isIsolated
  const options = { takeMemory: () => request.takeMemory(), keepTime }
  // The kernel knows one size of a file, and each view of an isolated one may have another.
  const isAppending = file.isIsolated && ((request.openFlags ?? 0) & OPEN_APPEND) !== 0
  const offset = isAppending ? currentSize(engine, file) : request.offset
  stageWrite(engine, file, offset, request.data, options)
  if (file.isIsolated) kernelAttributes.wrote(file.ino, request.offset + request.data.length)
}

async function endWrite(
  context: FsContext,
  view: FileState,
  { data }: WriteRequest,
  must: Awaitable<boolean>,
  replaced: Promise<void> | undefined,
): Promise<number> {
  const { length } = data
  await replaced
  if (await must) await publishDurably(context, view)
  else await relieveIfFull(context, view)
  return length
}

async function writeSlowly(
  context: FsContext,
  handle: OpenFile,
  request: WriteRequest,
): Promise<number> {
  const { engine } = context
  const { view } = handle
  const unlock = await view.lock.acquire()
  try {
    if (request.killPrivileges) await dropPrivileges(context, view.ino, request.caller)
    // The rest of a block that is written in part must be known.
    if (mustCount(engine, view.ino)) await countHoles(engine, view.ino)
    await writersTurn(engine)
    try {
      writeNow(context, view, request)
    } catch (error) {
      if (!isFullForNow(context, error)) throw error
      await engine.checkpointer.run()
      writeNow(context, view, request)
    }
  } catch (error) {
    loseWrite(context, handle, request, error)
    throw error
  } finally {
    unlock()
  }
  const replaced = dropReplaced(context, view, request)
  return endWrite(context, view, request, mustSync(context, handle, request), replaced)
}

/**
 * The kernel drops a page whose write-back failed and calls it clean, so a later fsync would publish
 * a file with a hole in the middle of the change. An atomic file refuses until it is rolled back.
 */
function loseWrite(
  context: FsContext,
  handle: OpenFile,
  request: WriteRequest,
  error: unknown,
): void {
  const { shadow } = handle.view
  if (!request.fromCache || !(error instanceof FsError)) return
  context.transactions.noteLostWrite(handle.file.ino, error)
  if (shadow === undefined) return
  const isWhole = handle.file.transaction !== undefined
  if (!isWhole && !isAtomic(context.engine.inodes.get(handle.file.ino))) return
  const why = 'A write to the file was lost, so it cannot be published; roll it back'
  shadow.broken ??= new FsError(error.code, why, { cause: error })
}

async function dropPrivileges(context: FsContext, ino: Ino, caller = NOBODY): Promise<void> {
  await whenRoom(context, () => {
    if (!hasPrivileges(context.engine.inodes.get(ino))) return
    const change = context.engine.begin()
    killPrivileges(context, change, change.inode(ino), caller)
    context.engine.commit(change)
  })
}

const isFull = ({ shadow }: FileState): boolean =>
  (shadow?.spilledCount ?? 0) > ORDINARY_STAGED_BLOCKS_MAX

/** Keeps what an ordinary file has staged within what one commit takes. */
export async function relieveIfFull(context: FsContext, file: FileState): Promise<void> {
  if (!isFull(file)) return
  if (file.transaction !== undefined || isAtomic(context.engine.inodes.get(file.ino))) return
  await publish(context.engine, file, { soon: false })
}

export async function flush(context: FsContext, fh: FileHandle, caller: Caller): Promise<void> {
  const handle = context.files.handleInUse(fh)
  if (handle.isWriter) await onFlush(context, handle, caller)
}

export async function release(context: FsContext, fh: FileHandle): Promise<void> {
  const handle = context.files.handle(fh)
  if (handle.isReleasing) throw new FsError('EBADF', `File handle ${fh} is being closed`)
  handle.isReleasing = true
  handle.releasing = releaseNow(context, handle)
  await handle.releasing
}

async function releaseNow(context: FsContext, handle: OpenFile): Promise<void> {
  try {
    if (handle.isWriter) {
      await onRelease(context, handle)
      await context.kernel.endWriteBacks(handle.file.ino)
    }
  } catch (error) {
    context.log.error(
      { ino: handle.file.ino, err: error },
      'content staged at close was not stored',
    )
  } finally {
    context.files.close(handle)
    endView(context, handle)
    reapIfForgotten(context, handle.file.ino)
  }
}

/**
 * A process that is killed in the middle of a large write(2) stops in the middle of it, and if the
 * handle is one of O_SYNC, Linux then syncs the half that it has (seen on 6.18). Such an FSYNC looks
 * like any other, but the thread that waits for it has the kill pending: that is why it has stopped,
 * and it cannot take it before we answer. So the content of an atomic file stays staged then, and
 * the death that follows drops it. Nobody gets to see this answer.
 */
export async function fsync(context: FsContext, fh: FileHandle, caller?: Caller): Promise<void> {
  const { view, isWriter, flags } = context.files.handle(fh)
  if (view.isIsolated && !isWriter) {
    await flushDurably(context)
    return
  }
  const isAtomicUpdate = view.shadow !== undefined && isAtomic(context.engine.inodes.get(view.ino))
  const pid = caller?.pid ?? 0
  if (isAtomicUpdate && context.processes.isKilled(pid)) {
    throw new FsError('EINTR', `Process ${pid} was killed, maybe in the middle of a write`)
  }
  const { engine, kernel } = context
  // Behind a write with O_DSYNC the kernel has sent what lies in that write's own range. What others have
  // written meanwhile it may have sent in part; as it holds the inode's lock, it has the rest.
  const isOfWrite = (flags & OPEN_DSYNC) !== 0 && !view.isIsolated
  if (isAtomicUpdate && isOfWrite) await kernel.invalidate(view.ino)
  const blockCount = engine.inodes.find(view.ino)?.blockCount
  await publishDurably(context, view)
  // The kernel knows the size and the times of what it has written, and not the space.
  if (engine.inodes.find(view.ino)?.blockCount !== blockCount) kernel.dropAttributes(view.ino)
}
