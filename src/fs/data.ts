/** Opening, reading and writing files. */
import { FsError } from '../errors.ts'
import { INODE_IN_GROUP, type Ino, TYPE_FILE, TYPE_MASK, isAtomic, isFile } from '../store/inode.ts'
import { countHoles, mustCount } from '../txn/holes.ts'
import { publish } from '../txn/publish.ts'
import { readFile } from '../txn/read.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { mustWait, writersTurn } from '../txn/spill.ts'
import { stageWrite } from '../txn/stage.ts'
import { assertAlive } from './alive.ts'
import { getAttributes, hasPrivileges, killPrivileges, truncate } from './attributes.ts'
import { closedArePublished, onFlush, onRelease, watchMappers } from './close-policy.ts'
import { type FsContext, whenRoom } from './context.ts'
import { type OpenFile, assertWriter } from './file-table.ts'
import { publishGroup } from './groups.ts'
import { findDirent } from './names.ts'
import { makeNodeNow, makeUnnamedNow, reapIfForgotten, referenced } from './namespace.ts'
import { assertOpenable, assertWritableNow } from './protection.ts'
import {
  type Attributes,
  type Awaitable,
  type Caller,
  type FileHandle,
  OPEN_ACCMODE,
  OPEN_EXCL,
  OPEN_RDONLY,
  OPEN_TRUNC,
  type Opened,
  type WriteRequest,
} from './operations.ts'

/** An ordinary file is published when it has this much staged, in blocks: 256 MiB. */
const ORDINARY_STAGED_BLOCKS_MAX = 65_536

export function open(context: FsContext, ino: Ino, flags: number): Awaitable<Opened> {
  const inode = context.engine.inodes.get(ino)
  if (!isFile(inode)) throw new FsError('EINVAL', `Inode ${ino} is not a regular file`)
  assertOpenable(inode, flags)
  assertAlive(context, ino)
  const isWriter = (flags & OPEN_ACCMODE) !== OPEN_RDONLY
  if (isWriter || (flags & OPEN_TRUNC) !== 0) context.engine.health.assertWritable()
  const handle = context.files.open(ino, flags)
  const opened = { fh: handle.fh, keepCache: true }
  if ((flags & OPEN_TRUNC) === 0 || getAttributes(context, ino).size === 0) return opened
  return truncate(context, handle.file, 0).then(
    () => opened,
    (error: unknown) => {
      context.files.close(handle)
      throw error
    },
  )
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
    if (existing !== undefined) return openExisting(context, existing.ino, name, flags)
    const node = { parent, name, mode: TYPE_FILE | (mode & ~TYPE_MASK), caller }
    const attributes = makeNodeNow(context, node)
    const handle = context.files.open(attributes.ino, flags)
    return { attributes, opened: { fh: handle.fh, keepCache: true } }
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
    const handle = context.files.open(attributes.ino, flags)
    return { attributes, opened: { fh: handle.fh, keepCache: true } }
  })
}

/** The kernel asks for a file to be made only where it knows of none. */
function openExisting(
  context: FsContext,
  ino: Ino,
  name: string,
  flags: number,
): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }> {
  const isUsable = (flags & OPEN_EXCL) === 0 && isFile(context.engine.inodes.get(ino))
  if (!isUsable) throw new FsError('EEXIST', `"${name}" exists`)
  const finish = (opened: Opened) => ({ attributes: referenced(context, ino), opened })
  const opened = open(context, ino, flags)
  return opened instanceof Promise ? opened.then(finish) : finish(opened)
}

export function read(
  context: FsContext,
  fh: FileHandle,
  offset: number,
  lengthBytes: number,
): Awaitable<readonly Uint8Array[]> {
  const { file } = context.files.handle(fh)
  context.accessTimes.touch(context.engine.inodes.get(file.ino))
  if (file.sizeTaken !== undefined || mustCount(context.engine, file.ino)) {
    return readSlowly(context, file, offset, lengthBytes)
  }
  return readFile(context.engine, file, offset, lengthBytes)
}

async function readSlowly(
  { engine }: FsContext,
  file: FileState,
  offset: number,
  lengthBytes: number,
): Promise<readonly Uint8Array[]> {
  await file.sizeTaken
  if (mustCount(engine, file.ino)) await countHoles(engine, file.ino)
  return readFile(engine, file, offset, lengthBytes)
}

export function write(
  context: FsContext,
  fh: FileHandle,
  request: WriteRequest,
): Awaitable<number> {
  const handle = context.files.handle(fh)
  const { engine } = context
  if (request.data.length === 0) return 0
  try {
    engine.health.assertWritable()
    assertWriter(handle)
    const { file } = handle
    // What the kernel has cached was allowed when it was written.
    if (!request.fromCache) assertWritableNow(engine.inodes.get(file.ino))
    file.isWrittenSinceFlush = true
    if (file.isMappedAfterClose && request.fromCache) watchMappers(context, file)
    const needsCare =
      file.lock.isHeld ||
      mustWait(engine) ||
      mustCount(engine, file.ino) ||
      (request.killPrivileges && hasPrivileges(engine.inodes.get(file.ino)))
    if (needsCare) return writeSlowly(context, handle, request)
    writeNow(context, file, request)
    if (isFull(file)) return relieveIfFull(context, file).then(() => request.data.length)
    return request.data.length
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

function writeNow(context: FsContext, file: FileState, request: WriteRequest): void {
  // The kernel's own time comes after the pages, or not at all where the file has it already.
  const options = { takeMemory: () => request.takeMemory(), keepTime: request.fromCache }
  stageWrite(context.engine, file, request.offset, request.data, options)
}

async function writeSlowly(
  context: FsContext,
  handle: OpenFile,
  request: WriteRequest,
): Promise<number> {
  const { engine } = context
  const { file } = handle
  const unlock = await file.lock.acquire()
  try {
    if (request.killPrivileges) await dropPrivileges(context, file.ino)
    // The rest of a block that is written in part must be known.
    if (mustCount(engine, file.ino)) await countHoles(engine, file.ino)
    if (file.shadow !== undefined) await writersTurn(engine, file.shadow)
    try {
      writeNow(context, file, request)
    } catch (error) {
      if (!isFullForNow(context, error)) throw error
      await engine.checkpointer.run()
      writeNow(context, file, request)
    }
  } catch (error) {
    loseWrite(context, handle, request, error)
    throw error
  } finally {
    unlock()
  }
  return request.data.length
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
  const { shadow } = handle.file
  if (!request.fromCache || shadow === undefined || !(error instanceof FsError)) return
  if (!isAtomic(context.engine.inodes.get(handle.file.ino))) return
  const why = 'A write to the file was lost, so it cannot be published; roll it back'
  shadow.broken ??= new FsError(error.code, why, { cause: error })
}

async function dropPrivileges(context: FsContext, ino: Ino): Promise<void> {
  await whenRoom(context, () => {
    if (!hasPrivileges(context.engine.inodes.get(ino))) return
    const change = context.engine.begin()
    killPrivileges(change, change.inode(ino))
    context.engine.commit(change)
  })
}

const isFull = ({ shadow }: FileState): boolean =>
  (shadow?.spilledCount ?? 0) > ORDINARY_STAGED_BLOCKS_MAX

/** Keeps what an ordinary file has staged within what one commit takes. */
export async function relieveIfFull(context: FsContext, file: FileState): Promise<void> {
  if (!isFull(file)) return
  if (isAtomic(context.engine.inodes.get(file.ino))) return
  await publish(context.engine, file, { soon: false })
}

export async function flush(context: FsContext, fh: FileHandle, caller: Caller): Promise<void> {
  const handle = context.files.handle(fh)
  if (handle.isWriter) await onFlush(context, handle, caller)
}

export async function release(context: FsContext, fh: FileHandle): Promise<void> {
  const handle = context.files.handle(fh)
  if (handle.isReleasing) throw new FsError('EBADF', `File handle ${fh} is being closed`)
  handle.isReleasing = true
  try {
    if (handle.isWriter) await onRelease(context, handle)
  } catch (error) {
    context.log.error(
      { ino: handle.file.ino, err: error },
      'content staged at close was not stored',
    )
  } finally {
    context.files.close(handle)
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
  const { file } = context.files.handle(fh)
  const isAtomicUpdate = file.shadow !== undefined && isAtomic(context.engine.inodes.get(file.ino))
  const pid = caller?.pid ?? 0
  if (isAtomicUpdate && context.processes.isKilled(pid)) {
    throw new FsError('EINTR', `Process ${pid} was killed, maybe in the middle of a write`)
  }
  await publishDurably(context, file)
}

/** Publishes what is staged and returns when that, and everything before, is durable. */
export async function publishDurably(context: FsContext, file: FileState): Promise<void> {
  const { engine } = context
  engine.health.assertDurable()
  await closedArePublished(context)
  const isGrouped = (engine.inodes.get(file.ino).flags & INODE_IN_GROUP) !== 0
  if (file.shadow !== undefined || isGrouped) await publishGroup(context, file, { soon: true })
  if (!engine.journal.isDurable) await engine.journal.flush()
}
