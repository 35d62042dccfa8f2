/**
 * The filesystem: what a transport calls, put together from the files beside this one, and the work
 * that goes on in the background. Owns no timer: the session calls `writeBack` and `step`.
 */
import type { Logger } from 'pino'
import { type Ino, isAtomic, isFile, isIsolated } from '../store/inode.ts'
import { FsError } from '../errors.ts'
import { discardLocked } from '../txn/discard.ts'
import type { Engine } from '../txn/engine.ts'
import { publish } from '../txn/publish.ts'
import { Reaper } from '../txn/reaper.ts'
import { endTransaction } from '../txn/savepoints.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { AccessTimes } from './access-times.ts'
import { allocate } from './allocate.ts'
import { getAttributes, kernelLearns, setAttributes } from './attributes.ts'
import type { FilesystemOptions, FsContext } from './context.ts'
import { copyRange } from './copy-range.ts'
import { DamageLog } from './damage-log.ts'
import * as data from './data.ts'
import { openDirectory, readDirectory } from './directory.ts'
import { closedArePublished } from './durable.ts'
import { evict } from './evict.ts'
import { FileTable } from './file-table.ts'
import { FolderTransactions } from './folder-transactions.ts'
import { ioctl } from './ioctl.ts'
import * as names from './namespace.ts'
import { NAME_LENGTH_MAX } from './names.ts'
import type {
  AttributeChanges,
  Attributes,
  Awaitable,
  Caller,
  CopyRequest,
  DirectoryEntry,
  FileHandle,
  FilesystemOperations,
  FilesystemStatistics,
  IoctlRequest,
  KernelCache,
  Opened,
  ReadHow,
  RenameRequest,
  WriteRequest,
  XattrSetter,
} from './operations.ts'
import type { Processes } from './processes.ts'
import type { Scrubber } from '../scrub/scrubber.ts'
import { dropCached, dropViews, isolatedAttributes, whenClosed } from './isolation.ts'
import { KernelAttributes } from './kernel-attributes.ts'
import { References } from './references.ts'
import { rename } from './rename.ts'
import { seek } from './seek.ts'
import { TreeRemoval } from './tree-removal.ts'
import { UnderWay } from './under-way.ts'
import * as xattrs from './xattrs.ts'

export interface FilesystemParts {
  readonly engine: Engine
  readonly orphans: readonly Ino[]
  /** Hidden directories that are to be removed. */
  readonly hidden: readonly Ino[]
  readonly kernel: KernelCache
  readonly processes: Processes
  readonly scrubber?: Scrubber
  readonly options: FilesystemOptions
  readonly log: Logger
}

/** Inodes are 64-bit numbers; this is what statfs shows as their limit. */
const INODE_COUNT_SHOWN = 0xffff_ffff

export class Filesystem implements FilesystemOperations {
  readonly context: FsContext

  constructor({ orphans, hidden, ...parts }: FilesystemParts) {
    const reaper = new Reaper(parts.engine)
    for (const ino of orphans) reaper.addOrphan(ino)
    parts.engine.onMapReplaced = (ino, generation) => {
      reaper.addMap(ino, generation)
    }
    const damageLog = new DamageLog(parts.engine.clock, parts.log)
    parts.engine.onDamage = (damage) => {
      damageLog.note(damage)
    }
    const accessTimes = new AccessTimes(parts.engine, parts.options)
    const files = new FileTable()
    const references = new References()
    const kernelAttributes = new KernelAttributes(parts.kernel)
    const transactions = new FolderTransactions()
    parts.engine.onCommit = (change) => {
      transactions.note(change)
    }
    const doomed = new Set<Ino>()
    const changeTimes = new UnderWay()
    this.context = {
      ...parts,
      reaper,
      files,
      references,
      accessTimes,
      kernelAttributes,
      changeTimes,
      transactions,
      doomed,
    }
    for (const ino of hidden) reaper.addTree(new TreeRemoval(this.context, ino))
    parts.engine.onIsolatedChange = (before) => {
      if (kernelAttributes.published(before)) dropCached(this.context, before.ino)
    }
  }

  lookup(parent: Ino, name: string): Attributes | undefined {
    return names.lookup(this.context, parent, name)
  }

  remember(ino: Ino): Attributes {
    return names.referenced(this.context, ino)
  }

  forget(ino: Ino, count: number): void {
    if (!this.context.references.drop(ino, count)) return
    this.context.kernelAttributes.forget(ino)
    const inode = this.context.engine.inodes.find(ino)
    if (inode?.nlink === 0) names.reapIfForgotten(this.context, ino)
    else evict(this.context, ino)
  }

  getAttributes(ino: Ino, caller?: Caller, fh?: FileHandle): Awaitable<Attributes> {
    const get = (): Awaitable<Attributes> => {
      const attributes = getAttributes(this.context, ino, caller)
      const inode = this.context.engine.inodes.get(ino)
      if (caller === undefined || !isFile(inode) || !isIsolated(inode)) return attributes
      return isolatedAttributes(this.context, attributes, caller, fh)
    }
    const showing = kernelLearns(this.context, ino)
    const closed = whenClosed(this.context, ino)
    if (closed !== undefined) return closed.then(get)
    if (showing === undefined) return get()
    if (caller === undefined) return showing.then(get)
    return this.context.processes
      .asksUnlocked(caller.pid)
      .then((mayWait) => (mayWait ? showing.then(get) : get()))
  }

  setAttributes(ino: Ino, changes: AttributeChanges, caller?: Caller): Awaitable<Attributes> {
    return setAttributes(this.context, ino, changes, caller)
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

  open(ino: Ino, flags: number, caller: Caller): Awaitable<Opened> {
    return data.open(this.context, ino, flags, caller)
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

  read(
    fh: FileHandle,
    offset: number,
    lengthBytes: number,
    how?: ReadHow,
  ): Awaitable<readonly Uint8Array[]> {
    return data.read(this.context, fh, offset, lengthBytes, how)
  }

  write(fh: FileHandle, request: WriteRequest): Awaitable<number> {
    return data.write(this.context, fh, request)
  }

  writeCached(ino: Ino, request: WriteRequest): Awaitable<number> {
    const { files } = this.context
    const file = files.find(ino)
    const writer = file === undefined ? undefined : files.writers(file)[0]
    if (writer === undefined) throw new FsError('EBADF', `Nobody has inode ${ino} open for writing`)
    return data.write(this.context, writer.fh, request)
  }

  flush(fh: FileHandle, caller: Caller): Promise<void> {
    return data.flush(this.context, fh, caller)
  }

  release(fh: FileHandle): Promise<void> {
    return data.release(this.context, fh)
  }

  fsync(fh: FileHandle, _dataOnly?: boolean, caller?: Caller): Promise<void> {
    return data.fsync(this.context, fh, caller)
  }

  makeUnnamed(
    parent: Ino,
    mode: number,
    flags: number,
    caller: Caller,
  ): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }> {
    return data.makeUnnamed(this.context, parent, mode, flags, caller)
  }

  seek(fh: FileHandle, offset: number, whence: number): Promise<number> {
    return seek(this.context, fh, offset, whence)
  }

  allocate(fh: FileHandle, mode: number, offset: number, lengthBytes: number): Promise<void> {
    return allocate(this.context, fh, mode, offset, lengthBytes)
  }

  copyRange(request: CopyRequest): Promise<number> {
    return copyRange(this.context, request)
  }

  ioctl(request: IoctlRequest, caller?: Caller): Awaitable<Uint8Array> {
    return ioctl(this.context, request, caller)
  }

  openDirectory(ino: Ino): FileHandle {
    return openDirectory(this.context, ino)
  }

  readDirectory(fh: FileHandle, offset: number): Promise<Iterable<DirectoryEntry>> {
    return readDirectory(this.context, fh, offset)
  }

  releaseDirectory(fh: FileHandle): void {
    this.context.transactions.end(this.context, fh)
    this.context.files.closeDirectory(fh)
  }

  async fsyncDirectory(): Promise<void> {
    await closedArePublished(this.context)
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

  getXattr(ino: Ino, name: string, caller?: Caller): Awaitable<Uint8Array> {
    return xattrs.getXattr(this.context, ino, name, caller)
  }

  setXattr(
    ino: Ino,
    name: string,
    value: Uint8Array,
    flags: number,
    setter: XattrSetter = {},
  ): Awaitable<void> {
    this.noteXattrs(ino)
    return xattrs.setXattr(this.context, ino, name, value, flags, setter)
  }

  listXattr(ino: Ino, caller?: Caller): Awaitable<readonly string[]> {
    return xattrs.listXattr(this.context, ino, caller)
  }

  removeXattr(ino: Ino, name: string): Awaitable<void> {
    this.noteXattrs(ino)
    return xattrs.removeXattr(this.context, ino, name)
  }

  /** What closing makes of a process that was killed meanwhile. */
  private noteXattrs(ino: Ino): void {
    const { files } = this.context
    const file = files.find(ino)
    if (file === undefined) return
    for (const each of [file, ...files.views(file)]) each.hasXattrsSinceFlush = true
  }

  /**
   * Publishes what ordinary files have staged, and commits times of access. A file that cannot be
   * published, as when the disk does not read its map, keeps no other from it; the first error is
   * thrown in the end.
   */
  async writeBack(): Promise<void> {
    const { engine, files, accessTimes } = this.context
    engine.store.maps.trim()
    for (const ino of await accessTimes.commit()) evict(this.context, ino)
    const errors: unknown[] = []
    for (const file of files.staged()) {
      try {
        await this.writeBackFile(file)
      } catch (error) {
        errors.push(error)
        if (engine.health.failed) break
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  private async writeBackFile(file: FileState): Promise<void> {
    const { engine, files } = this.context
    const inode = engine.inodes.find(file.ino)
    if (inode === undefined || isAtomic(inode)) return
    const { blockCount } = inode
    await publish(engine, file, { soon: false })
    files.settle(file)
    if (engine.inodes.find(file.ino)?.blockCount === blockCount) return
    await this.context.kernel.dropAttributesLater(file.ino)
  }

  /**
   * Ends the mount: ordinary files are published, what is staged for atomic ones is dropped, what
   * the kernel still knew without a name is freed, and everything is made durable. Throws FsError
   * EIO when some of that is not possible; what is, is done.
   */
  async finish(): Promise<void> {
    const { engine, files, references, reaper } = this.context
    engine.health.assertDurable()
    if (engine.health.readOnly) return
    const errors: unknown[] = []
    for (const file of files.staged()) endTransaction(engine, file)
    await this.writeBack().catch((error: unknown) => errors.push(error))
    for (const file of files.staged()) discardLocked(engine, file)
    for (const file of files.isolated()) dropViews(this.context, file)
    this.context.transactions.endAll(this.context)
    await reaper.drain().catch((error: unknown) => errors.push(error))
    // Also what a tree has lost that the kernel still knew.
    for (const ino of references.all()) {
      if (engine.inodes.find(ino)?.nlink === 0) reaper.addOrphan(ino)
    }
    await reaper.drain().catch((error: unknown) => errors.push(error))
    await engine.checkpointer.run(errors.length === 0)
    if (errors.length > 0) throw errors[0]
  }
}
