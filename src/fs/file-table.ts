/** Open files and directories, and the files that have something staged. */
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import { FileState, type Transaction } from '../txn/shadow-fork.ts'
import type { Listing } from './listing.ts'
import {
  type FileHandle,
  OPEN_ACCMODE,
  OPEN_NOATIME,
  OPEN_RDONLY,
  OPEN_TRUNC,
  OPEN_WRONLY,
} from './operations.ts'

/** How the last descriptor of a handle that we saw closed was closed. */
export type CloseKind = 'clean' | 'died'

/** Pieces of one write(2), which the kernel passes on one after the other. */
export interface WritePieces {
  readonly thread: number
  readonly offset: number
  readonly end: number
}

export interface OpenFile {
  readonly fh: FileHandle
  readonly file: FileState
  /** Of open(2); what fcntl(2) changes later we are not told. */
  readonly flags: number
  /** What it reads and stages: the state of the file, or one of its own if the file is isolated. */
  readonly view: FileState
  /** Processes that have opened the handle, or written through it, if the file is isolated. */
  readonly users: Set<number>
  /** Threads of those that were looked at. */
  readonly threads: Set<number>
  /** The part of a synchronous write that has come so far, if the rest is still to come. */
  pieces: WritePieces | undefined
  readonly isReader: boolean
  readonly isWriter: boolean
  /** Whether reading through it does not count as access. */
  readonly keepsTime: boolean
  lastClose: CloseKind
  /** Who closed its descriptor last and kept the file mapped. */
  mappedBy: number | undefined
  /** How that process was seen to end, by its last pages being written back. */
  mapperEnd: 'exited' | 'died' | undefined
  /** Whether any descriptor was closed yet. */
  isFlushed: boolean
  /** When the last one was: counts the closes of all handles. 0 before. */
  closeOrder: number
  /** What it was closed in order with, as `ShadowFork.stageSeq`; undefined: nothing of its own. */
  closedSeq: number | undefined
  /** The thread that has opened it; 0 if it has no number here. */
  readonly openedBy: number
  /** Whether what its RELEASE is to do has been done. */
  isGivenUp: boolean
  isReleasing: boolean
  /** Resolves when it is closed, once that has begun. */
  releasing: Promise<void> | undefined
  /** The transaction that was begun through it and has not been ended through it. */
  transaction: Transaction | undefined
  /** Whose: a thread, and the process that it belongs to. */
  beginner: { readonly pid: number; readonly process: number | undefined } | undefined
}

/** Throws FsError EBADF for a handle that is open for reading only. */
export function assertWriter({ fh, isWriter }: OpenFile): void {
  if (!isWriter) throw new FsError('EBADF', `File handle ${fh} is open for reading only`)
}

export interface OpenDirectory {
  readonly ino: Ino
  /** The listing, from when it was begun. */
  entries: Listing | undefined
  /** Names that have been taken out of the directory since, or now lead elsewhere. */
  readonly touched: Set<string>
}

/** The handles of one file, in the order in which they were opened. */
interface OpenHandles {
  readonly all: Set<OpenFile>
  /** How many of them are writers that were not given up. */
  writerCount: number
  /** Requests that work on the file without a handle. */
  holdCount: number
  /** How the writer has ended that was closed last, of those that were released. */
  lastEnd: WriterEnd | undefined
}

/** The end of a handle that could write. RELEASEs may come late, and not in the order of closing. */
export interface WriterEnd {
  readonly order: number
  readonly hasDied: boolean
}

export class FileTable {
  private readonly files = new Map<Ino, FileState>()
  private readonly handles = new Map<FileHandle, OpenFile>()
  private readonly directories = new Map<FileHandle, OpenDirectory>()
  private readonly listed = new Map<Ino, Set<OpenDirectory>>()
  private readonly openFiles = new Map<FileState, OpenHandles>()
  private readonly left = new Map<FileState, FileState[]>()
  private nextHandle = 1
  private closeCount = 0
  /** Publishes of files that are being closed; none of these promises rejects. */
  readonly closing = new Set<Promise<unknown>>()

  /** The state of a file; always the same object while anything refers to it. */
  file(ino: Ino): FileState {
    let file = this.files.get(ino)
    if (file === undefined) {
      file = new FileState(ino)
      this.files.set(ino, file)
    }
    return file
  }

  find(ino: Ino): FileState | undefined {
    return this.files.get(ino)
  }

  /** Files that are open or have something staged. */
  all(): FileState[] {
    return [...this.files.values()]
  }

  /** Files with something staged. */
  staged(): FileState[] {
    return [...this.files.values()].filter((file) => file.shadow !== undefined)
  }

  /** Views of an isolated file: those of its handles, and what closed handles have left staged. */
  views(file: FileState): FileState[] {
    return [...this.handlesOf(file).map(({ view }) => view), ...this.leftOf(file)]
  }

  /** Views that keep something staged although their handles are closed. */
  leftOf(file: FileState): readonly FileState[] {
    return this.left.get(file) ?? []
  }

  /** Keeps what a view has staged beyond its handle. */
  leave(file: FileState, view: FileState): void {
    this.left.set(file, [...this.leftOf(file), view])
  }

  /** Forgets a view that was left, and has nothing staged any more. */
  take(file: FileState, view: FileState): void {
    const rest = this.leftOf(file).filter((other) => other !== view)
    if (rest.length > 0) this.left.set(file, rest)
    else this.left.delete(file)
    this.settle(file)
  }

  /** Isolated files that anything is staged for. */
  isolated(): FileState[] {
    const open = [...this.handles.values()].filter(({ file, view }) => view !== file)
    return [...new Set([...open.map(({ file }) => file), ...this.left.keys()])]
  }

  /** Files that somebody could write to, or that have something staged. */
  unsettled(): Ino[] {
    const isUnsettled = (file: FileState): boolean =>
      file.shadow !== undefined || this.writerCount(file) > 0
    const files = new Set([...this.all().filter(isUnsettled), ...this.isolated()])
    return [...files].map(({ ino }) => ino)
  }

  /** What is staged for a file: by all together, or by each handle of an isolated one. */
  stagedOf(file: FileState): FileState[] {
    return [...new Set([file, ...this.views(file)])].filter(({ shadow }) => shadow !== undefined)
  }

  open(ino: Ino, flags: number, openedBy: number, isIsolated = false): OpenFile {
    const file = this.file(ino)
    // O_RDONLY | O_TRUNC stages too, so closing it has to end what it staged.
    const isWriter = (flags & OPEN_ACCMODE) !== OPEN_RDONLY || (flags & OPEN_TRUNC) !== 0
    const fh = this.nextHandle++
    const handle: OpenFile = {
      fh,
      file,
      flags,
      view: isIsolated ? new FileState(ino, file) : file,
      users: new Set(),
      threads: new Set(),
      pieces: undefined,
      isReader: (flags & OPEN_ACCMODE) !== OPEN_WRONLY,
      isWriter,
      keepsTime: (flags & OPEN_NOATIME) !== 0,
      lastClose: 'clean',
      isFlushed: false,
      closeOrder: 0,
      closedSeq: undefined,
      openedBy,
      isGivenUp: false,
      isReleasing: false,
      releasing: undefined,
      mappedBy: undefined,
      mapperEnd: undefined,
      transaction: undefined,
      beginner: undefined,
    }
    this.handles.set(handle.fh, handle)
    const open = this.opened(file)
    open.all.add(handle)
    open.writerCount += Number(isWriter)
    return handle
  }

  handle(fh: FileHandle): OpenFile {
    const handle = this.handles.get(fh)
    if (handle === undefined) throw new FsError('EBADF', `File handle ${fh} is not open`)
    return handle
  }

  /** A descriptor of a handle is closed: all that were closed before were closed earlier. */
  noteClose(handle: OpenFile): void {
    handle.closeOrder = ++this.closeCount
    handle.closedSeq = undefined
  }

  /** A writer has ended; returns how the one did that was closed last. */
  noteEnd({ file, closeOrder }: OpenFile, hasDied: boolean): WriterEnd {
    const open = this.opened(file)
    if (open.lastEnd === undefined || closeOrder >= open.lastEnd.order)
      open.lastEnd = { order: closeOrder, hasDied }
    return open.lastEnd
  }

  close(handle: OpenFile): void {
    this.handles.delete(handle.fh)
    const open = this.openFiles.get(handle.file)
    if (open?.all.delete(handle) === true) {
      if (handle.isWriter && !handle.isGivenUp) open.writerCount--
    }
    this.settle(handle.file)
  }

  /** Has a writer count as one no more, before it is closed. */
  giveUp(handle: OpenFile): void {
    handle.isGivenUp = true
    this.countWriters(handle.file, -1)
  }

  /** A handle of a program that uses it: one that was given up was only out of sight. */
  handleInUse(fh: FileHandle): OpenFile {
    const handle = this.handle(fh)
    if (handle.isGivenUp) this.countWriters(handle.file, 1)
    handle.isGivenUp = false
    return handle
  }

  /** Keeps a file as if it were open, for as long as a request works on it; the result ends that. */
  hold(file: FileState): () => void {
    const open = this.opened(file)
    open.holdCount++
    return () => {
      open.holdCount--
      this.settle(file)
    }
  }

  writerCount(file: FileState): number {
    return this.openFiles.get(file)?.writerCount ?? 0
  }

  /** Whether somebody has a file open for writing who is not about to close it. */
  isWritten(file: FileState): boolean {
    return this.writerCount(file) > 0 && this.writers(file).some((writer) => !writer.isReleasing)
  }

  writers(file: FileState): OpenFile[] {
    if (this.writerCount(file) === 0) return []
    return this.handlesOf(file).filter(({ isWriter, isGivenUp }) => isWriter && !isGivenUp)
  }

  handlesOf(file: FileState): OpenFile[] {
    return [...(this.openFiles.get(file)?.all ?? [])]
  }

  isOpen(ino: Ino): boolean {
    const file = this.files.get(ino)
    return file !== undefined && this.openFiles.has(file)
  }

  /** Forgets a file that nobody has open, nothing is staged for, and nobody has to wait for. */
  settle(file: FileState): void {
    const open = this.openFiles.get(file)
    if (open?.all.size === 0 && open.holdCount === 0) this.openFiles.delete(file)
    if (this.openFiles.has(file) || file.shadow !== undefined || file.lock.isHeld) return
    if (this.left.has(file) || this.files.get(file.ino) !== file) return
    if (file.resizing !== undefined || file.discarding !== undefined) return
    this.files.delete(file.ino)
  }

  openDirectory(ino: Ino): FileHandle {
    const fh = this.nextHandle++
    const directory = { ino, entries: undefined, touched: new Set<string>() }
    this.directories.set(fh, directory)
    const others = this.listed.get(ino)
    if (others === undefined) this.listed.set(ino, new Set([directory]))
    else others.add(directory)
    return fh
  }

  directory(fh: FileHandle): OpenDirectory {
    const directory = this.directories.get(fh)
    if (directory === undefined) throw new FsError('EBADF', `Directory handle ${fh} is not open`)
    return directory
  }

  closeDirectory(fh: FileHandle): void {
    const directory = this.directories.get(fh)
    if (directory === undefined) return
    this.directories.delete(fh)
    const others = this.listed.get(directory.ino)
    others?.delete(directory)
    if (others?.size === 0) this.listed.delete(directory.ino)
  }

  /** Has listings look again at a name before they show it. */
  touchName(parent: Ino, name: string): void {
    for (const { touched } of this.listed.get(parent) ?? []) touched.add(name)
  }

  private opened(file: FileState): OpenHandles {
    let open = this.openFiles.get(file)
    if (open === undefined) {
      open = { all: new Set(), writerCount: 0, holdCount: 0, lastEnd: undefined }
      this.openFiles.set(file, open)
    }
    return open
  }

  private countWriters(file: FileState, change: 1 | -1): void {
    const open = this.openFiles.get(file)
    if (open !== undefined) open.writerCount += change
  }
}
