/**
 * A filesystem that a transport can be tried with: everything in memory, nothing durable. Large
 * writes keep the memory of their request and are done later, so that both ways are tried.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FsError, invariant } from '../../../src/errors.ts'
import type {
  AttributeChanges,
  Attributes,
  Awaitable,
  Caller,
  DirectoryEntry,
  FileHandle,
  FilesystemOperations,
  FilesystemStatistics,
  Ino,
  Opened,
  ReadHow,
  RenameRequest,
  WriteRequest,
} from '../../../src/fs/operations.ts'
import { OPEN_TRUNC } from '../../../src/fs/operations.ts'

const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000
const LATER_FROM_BYTES = 65_536

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

export interface Node {
  readonly attributes: Mutable<Attributes>
  /** Longer than the file is, to grow in steps. */
  content: Buffer
  readonly entries: Map<string, Ino>
  readonly xattrs: Map<string, Uint8Array>
  parent: Ino
  lookupCount: number
  openCount: number
}

export interface MemoryFilesystemOptions {
  /** Do not keep what is written: for measurements. */
  readonly discardWrites?: boolean
}

export class MemoryFilesystem implements FilesystemOperations {
  readonly nodes = new Map<Ino, Node>()
  readonly #handles = new Map<FileHandle, Node>()
  readonly #options: MemoryFilesystemOptions
  #nextIno = 1
  #nextHandle = 1
  /** Who has called fsync last. */
  syncingPid = 0
  syncsWaitFor: Promise<void> | undefined

  constructor(options: MemoryFilesystemOptions = {}) {
    this.#options = options
    const root = this.#makeNode(S_IFDIR | 0o755, { uid: 0, gid: 0, pid: 0 })
    root.attributes.nlink = 2
  }

  lookup(parent: Ino, name: string): Attributes | undefined {
    const ino = this.#directory(parent).entries.get(name)
    return ino === undefined ? undefined : this.remember(ino)
  }

  remember(ino: Ino): Attributes {
    const node = this.node(ino)
    node.lookupCount++
    return node.attributes
  }

  forget(ino: Ino, count: number): void {
    const node = this.node(ino)
    node.lookupCount -= count
    invariant(node.lookupCount >= 0, 'the kernel forgets no more than it has looked up')
    this.#reap(node)
  }

  /** How many files and directories were ever opened. */
  get openedCount(): number {
    return this.#nextHandle - 1
  }

  getAttributes(ino: Ino): Attributes {
    return this.node(ino).attributes
  }

  setAttributes(ino: Ino, changes: AttributeChanges): Attributes {
    const { attributes } = this.node(ino)
    const { mode, uid, gid, size, atime, mtime, ctime } = changes
    if (mode !== undefined) attributes.mode = (attributes.mode & S_IFMT) | (mode & ~S_IFMT)
    if (uid !== undefined) attributes.uid = uid
    if (gid !== undefined) attributes.gid = gid
    if (size !== undefined) this.resize(ino, size)
    if (atime !== undefined) attributes.atimeNs = timeOf(atime)
    if (mtime !== undefined) attributes.mtimeNs = timeOf(mtime)
    attributes.ctimeNs = ctime ?? timeOf('now')
    if (changes.killPrivileges === true) attributes.mode &= ~0o6000
    return attributes
  }

  /** Sets a size; what is behind it is lost. */
  resize(ino: Ino, size: number): void {
    const node = this.node(ino)
    if (this.#options.discardWrites !== true) this.#reserve(node, size)
    node.content.fill(0, Math.min(size, node.content.length))
    node.attributes.size = size
  }

  readLink(ino: Ino): Uint8Array {
    return this.#contentOf(this.node(ino))
  }

  makeNode(parent: Ino, name: string, mode: number, rdev: number, caller: Caller): Attributes {
    const node = this.#makeNode(mode, caller)
    node.attributes.rdev = rdev
    this.#add(parent, name, node)
    return this.remember(node.attributes.ino)
  }

  makeDirectory(parent: Ino, name: string, mode: number, caller: Caller): Attributes {
    const node = this.#makeNode(mode, caller)
    node.attributes.nlink = 1
    this.#add(parent, name, node)
    return this.remember(node.attributes.ino)
  }

  makeSymlink(parent: Ino, name: string, target: Uint8Array, caller: Caller): Attributes {
    const node = this.#makeNode(S_IFLNK | 0o777, caller)
    node.content = Buffer.from(target)
    node.attributes.size = target.length
    this.#add(parent, name, node)
    return this.remember(node.attributes.ino)
  }

  link(ino: Ino, newParent: Ino, newName: string): Attributes {
    this.#add(newParent, newName, this.node(ino))
    return this.remember(ino)
  }

  unlink(parent: Ino, name: string): void {
    this.#remove(parent, name)
  }

  removeDirectory(parent: Ino, name: string): void {
    if (this.#child(parent, name).entries.size > 0) throw new FsError('ENOTEMPTY', 'Not empty')
    const node = this.#remove(parent, name)
    node.attributes.nlink = 0
    this.#reap(node)
  }

  rename({ parent, name, newParent, newName, noReplace, exchange }: RenameRequest): void {
    const moved = this.#child(parent, name)
    const replaced = this.#directory(newParent).entries.get(newName)
    if (noReplace && replaced !== undefined) throw new FsError('EEXIST', 'The name is taken')
    if (exchange && replaced === undefined) throw new FsError('ENOENT', 'Nothing to exchange with')
    if (exchange && replaced !== undefined) {
      this.#directory(parent).entries.set(name, replaced)
      this.node(replaced).parent = parent
    } else {
      if (replaced !== undefined) this.#remove(newParent, newName)
      this.#directory(parent).entries.delete(name)
    }
    this.#directory(newParent).entries.set(newName, moved.attributes.ino)
    moved.parent = newParent
  }

  open(ino: Ino, flags: number): Opened {
    if ((flags & OPEN_TRUNC) !== 0) this.resize(ino, 0)
    return { fh: this.#open(ino), keepCache: true }
  }

  create(
    parent: Ino,
    name: string,
    mode: number,
    _flags: number,
    caller: Caller,
  ): { attributes: Attributes; opened: Opened } {
    const attributes = this.makeNode(parent, name, mode, 0, caller)
    return { attributes, opened: { fh: this.#open(attributes.ino), keepCache: true } }
  }

  read(
    fh: FileHandle,
    offset: number,
    lengthBytes: number,
    _how?: ReadHow,
  ): Awaitable<readonly Uint8Array[]> {
    const content = this.#contentOf(this.#opened(fh))
    const end = Math.min(content.length, offset + lengthBytes)
    const middle = Math.min(end, offset + 4096)
    return [content.subarray(offset, middle), content.subarray(middle, end)]
  }

  write(fh: FileHandle, request: WriteRequest): Awaitable<number> {
    const node = this.#opened(fh)
    if (request.killPrivileges) node.attributes.mode &= ~0o6000
    if (this.#options.discardWrites === true) return this.#grow(node, request)
    if (request.data.length < LATER_FROM_BYTES) return this.#store(node, request)
    return this.#storeLater(node, request)
  }

  writeCached(): number {
    throw new FsError('EBADF', 'Nothing is opened by the filesystem itself')
  }

  flush(): void {
    // Nothing is staged.
  }

  release(fh: FileHandle): void {
    const node = this.#opened(fh)
    this.#handles.delete(fh)
    node.openCount--
    this.#reap(node)
  }

  async fsync(_fh: FileHandle, _dataOnly: boolean, { pid }: Caller): Promise<void> {
    this.syncingPid = pid
    await nextTurn()
    await this.syncsWaitFor
  }

  makeUnnamed(): never {
    throw new FsError('EOPNOTSUPP', 'Not in this test')
  }

  copyRange(): never {
    throw new FsError('ENOSYS', 'Not in this test')
  }

  ioctl(): never {
    throw new FsError('ENOTTY', 'Not in this test')
  }

  seek(): never {
    throw new FsError('ENOSYS', 'Not in this test')
  }

  allocate(): void {
    throw new FsError('EOPNOTSUPP', 'This filesystem does not punch holes')
  }

  openDirectory(ino: Ino): FileHandle {
    this.#directory(ino)
    return this.#open(ino)
  }

  *readDirectory(fh: FileHandle, offset: number): Iterable<DirectoryEntry> {
    const node = this.#opened(fh)
    const all: [string, Ino][] = [['.', node.attributes.ino], ['..', node.parent], ...node.entries]
    for (const [index, [name, ino]] of all.entries()) {
      if (index < offset) continue
      const type = this.node(ino).attributes.mode & S_IFMT
      yield { name, ino, type, nextOffset: index + 1 }
    }
  }

  releaseDirectory(fh: FileHandle): void {
    this.release(fh)
  }

  fsyncDirectory(): void {
    // Nothing is durable here.
  }

  statistics(): FilesystemStatistics {
    return {
      blockSize: 4096,
      blockCount: 1000,
      freeCount: 500,
      inodeCount: 2000,
      inodeFreeCount: 2000 - this.nodes.size,
      nameLengthMax: 255,
    }
  }

  getXattr(ino: Ino, name: string): Uint8Array {
    const value = this.node(ino).xattrs.get(name)
    if (value === undefined) throw new FsError('ENODATA', 'No such attribute')
    return value
  }

  setXattr(ino: Ino, name: string, value: Uint8Array): void {
    this.node(ino).xattrs.set(name, value)
  }

  listXattr(ino: Ino): readonly string[] {
    return [...this.node(ino).xattrs.keys()]
  }

  removeXattr(ino: Ino, name: string): void {
    if (!this.node(ino).xattrs.delete(name)) throw new FsError('ENODATA', 'No such attribute')
  }

  node(ino: Ino): Node {
    const node = this.nodes.get(ino)
    invariant(node !== undefined, `inode ${String(ino)} is known`)
    return node
  }

  #makeNode(mode: number, caller: Caller): Node {
    const now = timeOf('now')
    const attributes: Mutable<Attributes> = {
      ino: this.#nextIno++,
      mode,
      nlink: 0,
      uid: caller.uid,
      gid: caller.gid,
      rdev: 0,
      size: 0,
      sectors: 0,
      atimeNs: now,
      mtimeNs: now,
      ctimeNs: now,
      btimeNs: now,
    }
    const node: Node = {
      attributes,
      content: Buffer.alloc(0),
      entries: new Map(),
      xattrs: new Map(),
      parent: 1,
      lookupCount: 0,
      openCount: 0,
    }
    this.nodes.set(attributes.ino, node)
    return node
  }

  #directory(ino: Ino): Node {
    const node = this.node(ino)
    if ((node.attributes.mode & S_IFMT) !== S_IFDIR) throw new FsError('ENOTDIR', 'No directory')
    return node
  }

  #child(parent: Ino, name: string): Node {
    const ino = this.#directory(parent).entries.get(name)
    if (ino === undefined) throw new FsError('ENOENT', 'No such entry')
    return this.node(ino)
  }

  #add(parent: Ino, name: string, node: Node): void {
    const { entries } = this.#directory(parent)
    if (entries.has(name)) throw new FsError('EEXIST', 'The name is taken')
    entries.set(name, node.attributes.ino)
    node.parent = parent
    node.attributes.nlink++
  }

  #remove(parent: Ino, name: string): Node {
    const node = this.#child(parent, name)
    this.#directory(parent).entries.delete(name)
    node.attributes.nlink--
    this.#reap(node)
    return node
  }

  #reap(node: Node): void {
    const { nlink, ino } = node.attributes
    if (nlink === 0 && node.lookupCount === 0 && node.openCount === 0) this.nodes.delete(ino)
  }

  #open(ino: Ino): FileHandle {
    const node = this.node(ino)
    node.openCount++
    this.#handles.set(this.#nextHandle, node)
    return this.#nextHandle++
  }

  #opened(fh: FileHandle): Node {
    const node = this.#handles.get(fh)
    invariant(node !== undefined, `handle ${String(fh)} is open`)
    return node
  }

  #contentOf(node: Node): Buffer {
    return node.content.subarray(0, node.attributes.size)
  }

  #reserve(node: Node, size: number): void {
    if (size <= node.content.length) return
    const larger = Buffer.alloc(Math.max(size, node.content.length * 2))
    node.content.copy(larger)
    node.content = larger
  }

  #grow(node: Node, { offset, data }: WriteRequest): number {
    node.attributes.size = Math.max(node.attributes.size, offset + data.length)
    return data.length
  }

  #store(node: Node, request: WriteRequest): number {
    const { offset, data } = request
    this.#reserve(node, offset + data.length)
    node.content.set(data, offset)
    return this.#grow(node, request)
  }

  async #storeLater(node: Node, request: WriteRequest): Promise<number> {
    const release = request.takeMemory()
    await nextTurn()
    const count = this.#store(node, request)
    release()
    return count
  }
}

function timeOf(time: bigint | 'now'): bigint {
  return time === 'now' ? BigInt(Date.now()) * 1_000_000n : time
}
