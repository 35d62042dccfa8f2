/** Opening, reading and writing files. */
import { FsError } from '../errors.ts'
import { type Ino, TYPE_FILE, TYPE_MASK, isAtomic, isFile } from '../store/inode.ts'
import { publish } from '../txn/publish.ts'
import { readFile } from '../txn/read.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { mustWait, writersTurn } from '../txn/spill.ts'
import { stageWrite } from '../txn/stage.ts'
import { getAttributes, hasPrivileges, killPrivileges, truncate } from './attributes.ts'
import { onFlush, onRelease, watchMappers } from './close-policy.ts'
import { type FsContext, whenRoom } from './context.ts'
import type { OpenFile } from './file-table.ts'
import { findDirent } from './names.ts'
import { makeNodeNow, reapIfForgotten, referenced } from './namespace.ts'
import {
  type Attributes,
  type Awaitable,
  type Caller,
  type FileHandle,
  OPEN_ACCMODE,
  OPEN_RDONLY,
  OPEN_TRUNC,
  type Opened,
  type WriteRequest,
} from './operations.ts'

/** An ordinary file is published when it has this much staged, in blocks: 256 MiB. */
const ORDINARY_STAGED_BLOCKS_MAX = 65_536

export function open(context: FsContext, ino: Ino, flags: number): Awaitable<Opened> {
  if (!isFile(context.engine.inodes.get(ino))) {
    throw new FsError('EINVAL', `Inode ${ino} is not a regular file`)
  }
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
    const attributes =
      existing === undefined
        ? makeNodeNow(context, {
            parent,
            name,
            mode: TYPE_FILE | (mode & ~TYPE_MASK),
            caller,
          })
        : referenced(context, existing.ino)
    const handle = context.files.open(attributes.ino, flags)
    return { attributes, opened: { fh: handle.fh, keepCache: true } }
  })
}

export function read(
  context: FsContext,
  fh: FileHandle,
  offset: number,
  lengthBytes: number,
): Awaitable<readonly Uint8Array[]> {
  const { file } = context.files.handle(fh)
  context.accessTimes.touch(context.engine.inodes.get(file.ino))
  if (file.sizeTaken !== undefined) {
    return file.sizeTaken.then(async () => readFile(context.engine, file, offset, lengthBytes))
  }
  return readFile(context.engine, file, offset, lengthBytes)
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
    const { file } = handle
    file.isWrittenSinceFlush = true
    if (file.isMappedAfterClose && request.fromCache) watchMappers(context, file)
    const needsCare =
      file.lock.isHeld ||
      mustWait(engine) ||
      (request.killPrivileges && hasPrivileges(engine.inodes.get(file.ino)))
    if (needsCare) return writeSlowly(context, handle, request)
    writeNow(context, file, request)
    if ((file.shadow?.spilledCount ?? 0) > ORDINARY_STAGED_BLOCKS_MAX) {
      return relieve(context, file).then(() => request.data.length)
    }
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

/** Keeps what an ordinary file has staged within what one commit takes. */
async function relieve(context: FsContext, file: FileState): Promise<void> {
  if (isAtomic(context.engine.inodes.get(file.ino))) return
  await publish(context.engine, file, { soon: false })
}

export async function flush(context: FsContext, fh: FileHandle, caller: Caller): Promise<void> {
  const handle = context.files.handle(fh)
  if (handle.isWriter) await onFlush(context, handle, caller)
}

export async function release(context: FsContext, fh: FileHandle): Promise<void> {
  const handle = context.files.handle(fh)
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

export async function fsync(context: FsContext, fh: FileHandle): Promise<void> {
  const { file } = context.files.handle(fh)
  await publishDurably(context, file)
}

/** Publishes what is staged and returns when that, and everything before, is durable. */
export async function publishDurably(context: FsContext, file: FileState): Promise<void> {
  const { engine } = context
  engine.health.assertDurable()
  if (file.shadow !== undefined) await publish(engine, file, { soon: true })
  if (!engine.journal.isDurable) await engine.journal.flush()
}
