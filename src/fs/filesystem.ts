/**
 * The filesystem: what a transport calls, put together from the files beside this one, and the work
 * that goes on in the background. Owns no timer: the session calls `writeBack` and `step`.
 */
import type { Logger } from 'pino'
import type { Ino } from '../store/inode.ts'
import { isAtomic } from '../store/inode.ts'
import { discardLocked } from '../txn/discard.ts'
import type { Engine } from '../txn/engine.ts'
import { publish } from '../txn/publish.ts'
import { Reaper } from '../txn/reaper.ts'
import { AccessTimes } from './access-times.ts'
import { allocate } from './allocate.ts'
import { getAttributes, setAttributes } from './attributes.ts'
import type { FilesystemOptions, FsContext } from './context.ts'
import * as data from './data.ts'
import { openDirectory, readDirectory } from './directory.ts'
import { FileTable } from './file-table.ts'
import * as names from './namespace.ts'
import { NAME_LENGTH_MAX } from './names.ts'
import type {
  AttributeChanges,
  Attributes,
  Awaitable,
  Caller,
  DirectoryEntry,
  FileHandle,
  FilesystemOperations,
  FilesystemStatistics,
  KernelCache,
  Opened,
  RenameRequest,
  WriteRequest,
} from './operations.ts'
import type { Processes } from './processes.ts'
import { References } from './references.ts'
import { rename } from './rename.ts'
import * as xattrs from './xattrs.ts'

export interface FilesystemParts {
  readonly engine: Engine
  readonly orphans: readonly Ino[]
  readonly kernel: KernelCache
  readonly processes: Processes
  readonly options: FilesystemOptions
  readonly log: Logger
}

/** Inodes are 64-bit numbers; this is what statfs shows as their limit. */
const INODE_COUNT_SHOWN = 0xffff_ffff

export class Filesystem implements FilesystemOperations {
  readonly context: FsContext

  constructor({ orphans, ...parts }: FilesystemParts) {
    const reaper = new Reaper(parts.engine)
    for (const ino of orphans) reaper.addOrphan(ino)
    parts.engine.onMapReplaced = (ino, generation) => {
      reaper.addMap(ino, generation)
    }
    const accessTimes = new AccessTimes(parts.engine, parts.options.noAccessTimes)
    const files = new FileTable()
    const references = new References()
    this.context = { ...parts, reaper, files, references, accessTimes }
  }

  lookup(parent: Ino, name: string): Attributes | undefined {
    return names.lookup(this.context, parent, name)
  }

  remember(ino: Ino): Attributes {
    return names.referenced(this.context, ino)
  }

  forget(ino: Ino, count: number): void {
    if (!this.context.references.drop(ino, count)) return
    const inode = this.context.engine.inodes.find(ino)
    if (inode?.nlink === 0) names.reapIfForgotten(this.context, ino)
    else this.evict(ino)
  }

  getAttributes(ino: Ino): Awaitable<Attributes> {
    const resizing = this.context.files.find(ino)?.resizing
    if (resizing !== undefined) return resizing.then(() => getAttributes(this.context, ino))
    return getAttributes(this.context, ino)
  }

  setAttributes(ino: Ino, changes: AttributeChanges): Awaitable<Attributes> {
    return setAttributes(this.context, ino, changes)
  }

  readLink(ino: Ino): Uint8Array {
    return names.readLink(this.context, ino)
  }

  makeNode(
    parent: Ino,
    name: string,
    mode: number,
    rdev: number,
    caller: Caller,
  ): Awaitable<Attributes> {
    return names.makeNode(this.context, { parent, name, mode, rdev, caller })
  }

  makeDirectory(parent: Ino, name: string, mode: number, caller: Caller): Awaitable<Attributes> {
    return names.makeNode(this.context, { parent, name, mode: 0o040000 | mode, caller })
  }

  makeSymlink(
    parent: Ino,
    name: string,
    target: Uint8Array,
    caller: Caller,
  ): Awaitable<Attributes> {
    return names.makeSymlink(this.context, { parent, name, mode: 0, target, caller })
  }

  link(ino: Ino, newParent: Ino, newName: string): Awaitable<Attributes> {
    return names.link(this.context, ino, newParent, newName)
  }

  unlink(parent: Ino, name: string): Awaitable<void> {
    return names.unlink(this.context, parent, name)
  }

  removeDirectory(parent: Ino, name: string): Awaitable<void> {
    return names.removeDirectory(this.context, parent, name)
  }

  rename(request: RenameRequest): Awaitable<void> {
    return rename(this.context, request)
  }

  open(ino: Ino, flags: number, _caller: Caller): Awaitable<Opened> {
    return data.open(this.context, ino, flags)
  }

  create(
    parent: Ino,
    name: string,
    mode: number,
    flags: number,
    caller: Caller,
  ): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }> {
    return data.create(this.context, parent, name, mode, flags, caller)
  }

  read(fh: FileHandle, offset: number, lengthBytes: number): Awaitable<readonly Uint8Array[]> {
    return data.read(this.context, fh, offset, lengthBytes)
  }

  write(fh: FileHandle, request: WriteRequest): Awaitable<number> {
    return data.write(this.context, fh, request)
  }

  flush(fh: FileHandle, caller: Caller): Promise<void> {
    return data.flush(this.context, fh, caller)
  }

  release(fh: FileHandle): Promise<void> {
    return data.release(this.context, fh)
  }

  fsync(fh: FileHandle): Promise<void> {
    return data.fsync(this.context, fh)
  }

  allocate(fh: FileHandle, mode: number, offset: number, lengthBytes: number): Promise<void> {
    return allocate(this.context, fh, mode, offset, lengthBytes)
  }

  openDirectory(ino: Ino): FileHandle {
    return openDirectory(this.context, ino)
  }

  readDirectory(fh: FileHandle, offset: number): Promise<Iterable<DirectoryEntry>> {
    return readDirectory(this.context, fh, offset)
  }

  releaseDirectory(fh: FileHandle): void {
    this.context.files.closeDirectory(fh)
  }

  async fsyncDirectory(): Promise<void> {
    await this.context.engine.journal.flush()
  }

  statistics(): FilesystemStatistics {
    const { allocator, device } = this.context.engine.store
    const hostFree = Math.floor(device.blocks.hostFreeBytes() / 4096)
    const freeCount = allocator.availableCount + allocator.pendingCount + hostFree
    return {
      blockSize: 4096,
      blockCount: allocator.blockCount + hostFree,
      freeCount,
      inodeCount: INODE_COUNT_SHOWN,
      inodeFreeCount: Math.min(INODE_COUNT_SHOWN, freeCount),
      nameLengthMax: NAME_LENGTH_MAX,
    }
  }

  getXattr(ino: Ino, name: string): Awaitable<Uint8Array> {
    return xattrs.getXattr(this.context, ino, name)
  }

  setXattr(ino: Ino, name: string, value: Uint8Array, flags: number): Awaitable<void> {
    this.noteXattrs(ino)
    return xattrs.setXattr(this.context, ino, name, value, flags)
  }

  listXattr(ino: Ino): Promise<readonly string[]> {
    return xattrs.listXattr(this.context, ino)
  }

  removeXattr(ino: Ino, name: string): Awaitable<void> {
    this.noteXattrs(ino)
    return xattrs.removeXattr(this.context, ino, name)
  }

  /** What closing makes of a process that was killed meanwhile. */
  private noteXattrs(ino: Ino): void {
    const file = this.context.files.find(ino)
    if (file !== undefined) file.hasXattrsSinceFlush = true
  }

  /** Publishes what ordinary files have staged, and commits times of access. */
  async writeBack(): Promise<void> {
    const { engine, files, accessTimes, references } = this.context
    for (const ino of await accessTimes.commit()) if (!references.has(ino)) this.evict(ino)
    for (const file of files.staged()) {
      const inode = engine.inodes.find(file.ino)
      if (inode === undefined || isAtomic(inode)) continue
      await publish(engine, file, { soon: false })
      files.settle(file)
    }
  }

  private evict(ino: Ino): void {
    const { files, accessTimes, engine } = this.context
    if (!files.isOpen(ino) && !accessTimes.has(ino)) engine.inodes.evict(ino)
  }

  /**
   * Ends the mount: ordinary files are published, what is staged for atomic ones is dropped, what
   * the kernel still knew without a name is freed, and everything is made durable.
   */
  async finish(): Promise<void> {
    const { engine, files, references, reaper } = this.context
    if (engine.health.failed || engine.health.readOnly) return
    await this.writeBack()
    for (const file of files.staged()) discardLocked(engine, file)
    for (const ino of references.all()) {
      if (engine.inodes.find(ino)?.nlink === 0) reaper.addOrphan(ino)
    }
    await reaper.drain()
    await engine.checkpointer.run(true)
  }
}
