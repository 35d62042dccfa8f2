/**
 * Isolated files: each handle has a view of its own, the version that was published when it was
 * opened, and over it what was staged through it. Publishing and discarding move a view that may write
 * to what is published then; one that only reads stays where it is for as long as it is open.
 */
import { FsError } from '../errors.ts'
import {
  INODE_ON_CLOSE_DISCARD,
  INODE_ON_CLOSE_KEEP,
  type Ino,
  isIsolated,
} from '../store/inode.ts'
import { discardLocked } from '../txn/discard.ts'
import { publish } from '../txn/publish.ts'
import { currentSize, readFile } from '../txn/read.ts'
import { assertMergeable, leaveBase, takeBase } from '../txn/rebase.ts'
import { FileState, type ShadowFork } from '../txn/shadow-fork.ts'
import { stageTruncate } from '../txn/stage.ts'
import { noteOpen } from './beside-cache.ts'
import type { FsContext } from './context.ts'
import type { OpenFile } from './file-table.ts'
import type { Attributes, Awaitable, Caller, FileHandle } from './operations.ts'

/**
 * Resolves when what was closed before is published or dropped; undefined if nothing is being closed.
 * close(2) does not wait for that, and whoever comes after it must see it.
 */
export function whenClosed({ engine, files }: FsContext, ino: Ino): Promise<unknown> | undefined {
  const file = files.find(ino)
  const inode = file === undefined ? undefined : engine.inodes.find(ino)
  if (file === undefined || inode === undefined || !isIsolated(inode)) return undefined
  const closing = files.writers(file).flatMap(({ releasing }) => releasing ?? [])
  return closing.length === 0 ? undefined : Promise.all(closing)
}

/** Opens a handle, with a view of its own if the file is isolated. */
export function openHandle(context: FsContext, ino: Ino, flags: number, caller: Caller): OpenFile {
  if (!isIsolated(context.engine.inodes.get(ino))) {
    const shared = context.files.open(ino, flags, caller.pid)
    noteOpen(shared)
    return shared
  }
  const handle = context.files.open(ino, flags, caller.pid, true)
  takeBase(context.engine, handle.view)
  context.kernelAttributes.begin(context.engine.inodes.get(ino))
  noteUser(context, handle, caller)
  return handle
}

/** Remembers that a process uses a handle; calls that carry no handle go by that. */
export function noteUser({ processes }: FsContext, handle: OpenFile, { pid }: Caller): void {
  if (handle.threads.has(pid)) return
  handle.threads.add(pid)
  handle.users.add(processes.processOf(pid))
}

/** A descriptor of a handle is closed. Throws FsError EBUSY if closing the last will lose what it staged. */
export function onIsolatedFlush(context: FsContext, { view, lastClose }: OpenFile): void {
  view.isWrittenSinceFlush = false
  view.hasXattrsSinceFlush = false
  const { flags } = context.engine.inodes.get(view.ino)
  const isPublished = (flags & (INODE_ON_CLOSE_DISCARD | INODE_ON_CLOSE_KEEP)) === 0
  if (lastClose === 'clean' && isPublished) assertMergeable(view)
}

/** truncate(2) opens no handle: it is a handle that has already been closed. */
export async function truncateByName(context: FsContext, ino: Ino, size: number): Promise<void> {
  const { engine, files } = context
  const file = files.file(ino)
  const view = new FileState(ino, file)
  context.kernelAttributes.begin(engine.inodes.get(ino))
  const release = await file.lock.acquire()
  try {
    takeBase(engine, view)
    stageTruncate(engine, view, size)
  } finally {
    release()
  }
  const { flags } = engine.inodes.get(ino)
  if ((flags & INODE_ON_CLOSE_KEEP) !== 0) {
    files.leave(file, view)
    return
  }
  try {
    if ((flags & INODE_ON_CLOSE_DISCARD) === 0) await publish(engine, view, { soon: false })
  } finally {
    endLeft(context, file, view)
  }
}

/** What is staged through a handle outlives it. */
export function leaveView(context: FsContext, { file, view }: OpenFile): void {
  context.files.leave(file, view)
}

/** A handle is gone: nobody reads its version any more. */
export function endView(context: FsContext, { file, view }: OpenFile): void {
  if (view === file || context.files.leftOf(file).includes(view)) return
  discardLocked(context.engine, view)
  view.isEnded = true
  leaveBase(context.engine, view)
}

/** Drops what a view has staged, and moves it to what is published now. */
export async function discardView(context: FsContext, view: FileState, why: string): Promise<void> {
  const release = await view.lock.acquire()
  try {
    const stagedBytes = view.shadow?.stagedBytes
    if (stagedBytes !== undefined) {
      context.log.debug({ ino: view.ino, stagedBytes, why }, 'discarded')
    }
    discardLocked(context.engine, view)
    takeBase(context.engine, view)
  } finally {
    release()
  }
}

/** Drops all that is staged of a file that goes away, or of a mount that ends. */
export function dropViews(context: FsContext, file: FileState): void {
  for (const view of context.files.views(file)) {
    if (view !== file) discardLocked(context.engine, view)
  }
  for (const view of context.files.leftOf(file)) endLeft(context, file, view)
}

function endLeft(context: FsContext, file: FileState, view: FileState): void {
  discardLocked(context.engine, view)
  view.isEnded = true
  leaveBase(context.engine, view)
  context.files.take(file, view)
}

/**
 * The views that a process means where it names a file and no handle. They are those of the handles
 * that it has opened or written through, or else those that its nearest ancestor has that has any, as a
 * command has which a shell runs; or else what closed handles have left, which belongs to nobody.
 */
export function viewsOf(
  context: FsContext,
  file: FileState,
  caller?: Caller,
): readonly FileState[] {
  const own = handlesOf(context, file, caller)
  return own.length > 0 ? own.map(({ view }) => view) : context.files.leftOf(file)
}

function handlesOf(context: FsContext, file: FileState, caller?: Caller): readonly OpenFile[] {
  const writers = context.files.writers(file).filter(({ view }) => view !== file)
  if (writers.length === 0 || caller === undefined) return []
  for (const pid of context.processes.lineOf(caller.pid)) {
    const own = writers.filter(({ users }) => users.has(pid))
    if (own.length > 0) return own
  }
  return []
}

/** What a process has staged of a file itself: what closed handles have left is nobody's. */
export function forksOf(
  context: FsContext,
  file: FileState,
  caller?: Caller,
): readonly ShadowFork[] {
  return handlesOf(context, file, caller).flatMap(({ view }) => view.shadow ?? [])
}

/**
 * What a caller means who names a file and no handle, to be published with other files: the file itself
 * unless it is isolated. Throws FsError EINVAL where that is staged through several handles.
 */
export function meantViews(
  context: FsContext,
  file: FileState,
  caller?: Caller,
): readonly FileState[] {
  if (!isIsolated(context.engine.inodes.get(file.ino))) return [file]
  const views = viewsOf(context, file, caller)
  const staged = views.filter(({ shadow }) => shadow !== undefined)
  if (staged.length > 1) throw ambiguous(file)
  return staged
}

/**
 * Does something to what the caller has staged of a file; to what was left, in the order in which it
 * was closed. Where a process has nothing staged, all its handles are meant. Throws FsError EINVAL
 * where it has staged something through several: which of them it means only a call through one can say.
 */
export async function forEachMeantView(
  context: FsContext,
  file: FileState,
  caller: Caller | undefined,
  work: (view: FileState) => Promise<void>,
): Promise<void> {
  const views = viewsOf(context, file, caller)
  const left = context.files.leftOf(file)
  const staged = views.filter(({ shadow }) => shadow !== undefined)
  if (views !== left && staged.length > 1) throw ambiguous(file)
  for (const view of staged.length > 0 ? staged : views) await work(view)
  dropSettled(context, file)
}

/** Forgets what closed handles have left and is settled now. */
export function dropSettled(context: FsContext, file: FileState): void {
  for (const view of context.files.leftOf(file)) {
    if (view.shadow === undefined) endLeft(context, file, view)
  }
}

function ambiguous({ ino }: FileState): FsError {
  return new FsError(
    'EINVAL',
    `Changes of inode ${ino} are staged through several handles: call fsync on one of them`,
  )
}

/**
 * What the kernel's cache gets of an isolated file, for private mappings and splices: what is published,
 * for every handle, because all of them share it. It is dropped by each publish. Throws FsError EIO for the
 * end of the file while the kernel takes a size for it that only one handle has: it would show zeros there
 * that nobody has written.
 */
export function viewForCache(context: FsContext, { file, view }: OpenFile, end: number): FileState {
  if (view === file) return file
  const { size } = context.engine.inodes.get(file.ino)
  context.kernelAttributes.caches(file.ino)
  if (end <= size || context.kernelAttributes.sizeOf(file.ino) <= size) return file
  throw new FsError(
    'EIO',
    `Inode ${file.ino} cannot be mapped or spliced while its size is changed`,
  )
}

/** Has the kernel drop what it has cached of a file. */
export function dropCached({ kernel, log }: FsContext, ino: Ino): void {
  kernel.invalidate(ino).catch((error: unknown) => {
    log.error({ ino, err: error }, 'the kernel may still show what was published before')
  })
}

/**
 * Attributes of an isolated file, once the kernel shows them. Making it show them takes its lock of the
 * inode, which some that ask hold: they get what it shows already. Who seeks to the end does, too, but
 * growing takes no lock.
 */
export function isolatedAttributes(
  context: FsContext,
  attributes: Attributes,
  caller: Caller,
  fh?: FileHandle,
): Awaitable<Attributes> {
  const { kernelAttributes, engine, files } = context
  if (fh === undefined) {
    if (kernelAttributes.shows(attributes)) return attributes
    return adoptedAttributes(context, attributes, caller)
  }
  const { view } = files.handle(fh)
  const size = currentSize(engine, view)
  if (!view.isIsolated || size <= kernelAttributes.sizeOf(view.ino)) return attributes
  return growAsSeen(context, view, size).then(() => attributes)
}

async function adoptedAttributes(
  { kernelAttributes, processes, log }: FsContext,
  attributes: Attributes,
  caller: Caller,
): Promise<Attributes> {
  if (!(await processes.asksUnlocked(caller.pid))) return kernelAttributes.asBelieved(attributes)
  try {
    await kernelAttributes.adopt(attributes)
  } catch (error) {
    log.debug({ ino: attributes.ino, err: error }, 'the kernel shows other attributes')
  }
  return attributes
}

async function growAsSeen(context: FsContext, view: FileState, size: number): Promise<void> {
  const { engine, kernel, kernelAttributes } = context
  const lastByte = Buffer.concat(await readFile(engine, view, size - 1, 1))
  await kernel.resize(view.ino, size, { lastByte })
  kernelAttributes.wrote(view.ino, size)
  await kernel.invalidate(view.ino)
}
