/**
 * What a transport may ask of the filesystem: POSIX at the level of inodes. Each call runs to its
 * end before it returns, or returns a promise when it has to wait. Failures are thrown `FsError`s.
 * Names and xattr names are byte strings: one character (0 to 255) for each byte.
 */

import type { Ino } from '../store/inode.ts'
import type { ReadMemory } from '../txn/read.ts'

export type { Ino } from '../store/inode.ts'
export type { ReadMemory } from '../txn/read.ts'

export type Awaitable<Value> = Value | Promise<Value>

/** Number of one open file or directory. */
export type FileHandle = number

/** Who is asking. `pid` is 0 for requests that the kernel makes by itself. */
export interface Caller {
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** Permissions that what the caller makes does not get, unless a default ACL says otherwise. */
  readonly umask?: number
}

/** What stat(2) shows. Times are nanoseconds since 1970. */
export interface Attributes {
  readonly ino: Ino
  /** Type and permissions, as in st_mode. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
  /** Allocated space in units of 512 bytes. */
  readonly sectors: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly btimeNs: bigint
  /** Whether they may change without a call through the mount, so that the kernel must ask. */
  readonly isVolatile?: boolean
}

/** What SETATTR asks to change; what is absent stays. */
export interface AttributeChanges {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  /** `'now'`: the time of the change. */
  readonly atime?: bigint | 'now'
  readonly mtime?: bigint | 'now'
  readonly ctime?: bigint
  /** The handle that an ftruncate(2) came through. */
  readonly fh?: FileHandle
  /** Clear set-user-id and set-group-id, as a change of content by an unprivileged user does. */
  readonly killPrivileges?: boolean
  /** Change nothing but the time of change. */
  readonly touch?: boolean
}

/** Bits of open(2)'s flags that matter here, as Linux numbers them on x86-64 and arm64. */
export const OPEN_ACCMODE = 0o3
export const OPEN_RDONLY = 0o0
export const OPEN_WRONLY = 0o1
export const OPEN_EXCL = 0o200
export const OPEN_TRUNC = 0o1000
export const OPEN_APPEND = 0o2000
/** O_DSYNC, which is part of O_SYNC, too. */
export const OPEN_DSYNC = 0o10000
export const OPEN_NOATIME = 0o1000000

export interface Opened {
  readonly fh: FileHandle
  /** Whether the kernel may keep what it has cached of the content. */
  readonly keepCache: boolean
  /** Whether every read and write is to be passed on, and none answered by the kernel's cache. */
  readonly isDirect?: boolean
}

/** One entry of a directory. `nextOffset` continues a listing behind it. */
export interface DirectoryEntry {
  readonly name: string
  readonly ino: Ino
  /** File type, as the top bits of st_mode. */
  readonly type: number
  readonly nextOffset: number
}

export interface WriteRequest {
  readonly offset: number
  readonly data: Uint8Array
  /** Whether the kernel writes back what it had cached, instead of passing a write(2) on. */
  readonly fromCache: boolean
  /** Whether the file must lose set-user-id, set-group-id and capabilities. */
  readonly killPrivileges: boolean
  /** The status flags of the descriptor, as open(2) has them. */
  readonly openFlags?: number
  /** Who writes; nobody when the kernel writes back what it had cached. */
  readonly caller?: Caller
  /**
   * Keeps the memory behind `data` for the filesystem beyond the call, and returns what gives it
   * back. Only when `data` is page-aligned and large is it worth it.
   */
  takeMemory(): () => void
}

/** Who sets an extended attribute. */
export interface XattrSetter {
  readonly caller?: Caller
  /** Whether who sets an ACL is not of the file's group. */
  readonly killsSetGroupId?: boolean
}

export interface ReadHow {
  /** Whether the kernel reads for its cache, which all handles share. */
  readonly forCache: boolean
  /** Where large reads put what comes from the disk. */
  readonly memory?: ReadMemory
}

export interface CopyRequest {
  /** Where from. */
  readonly fh: FileHandle
  readonly offset: number
  readonly targetFh: FileHandle
  readonly targetOffset: number
  readonly lengthBytes: number
}

export interface IoctlRequest {
  readonly ino: Ino
  readonly fh: FileHandle
  /** Whether the handle is that of a directory. */
  readonly isDirectory: boolean
  readonly command: number
  /** Where the argument lies in the caller's memory. */
  readonly address?: bigint
  readonly input: Uint8Array
}

export interface RenameRequest {
  readonly parent: Ino
  readonly name: string
  readonly newParent: Ino
  readonly newName: string
  readonly noReplace: boolean
  readonly exchange: boolean
  /** Who gets a device 0:0 in the place of the old name, as union filesystems want it. */
  readonly whiteoutFor?: Caller
}

/** Space and limits, as statvfs(3) shows them. Counts are of `blockSize` bytes. */
export interface FilesystemStatistics {
  readonly blockSize: number
  readonly blockCount: number
  readonly freeCount: number
  readonly inodeCount: number
  readonly inodeFreeCount: number
  readonly nameLengthMax: number
}

export interface FilesystemOperations {
  /** Finds an entry and counts one more reference of the kernel to it; undefined if there is none. */
  lookup(parent: Ino, name: string): Awaitable<Attributes | undefined>
  /** Counts a reference to an inode that readDirectory has just named. */
  remember(ino: Ino): Attributes
  /** The kernel drops `count` references. */
  forget(ino: Ino, count: number): void
  /**
   * `caller` is who asks with stat(2), or, through the handle `fh`, to seek to the end; the kernel holds
   * its lock of the inode then. Nobody asks for what is not told to a program.
   */
  getAttributes(ino: Ino, caller?: Caller, fh?: FileHandle): Awaitable<Attributes>
  setAttributes(ino: Ino, changes: AttributeChanges, caller: Caller): Awaitable<Attributes>
  readLink(ino: Ino): Awaitable<Uint8Array>

  /** The calls that make an entry count one reference, as lookup does. `mode` has type and permissions. */
  makeNode(
    parent: Ino,
    name: string,
    mode: number,
    rdev: number,
    caller: Caller,
  ): Awaitable<Attributes>
  makeDirectory(parent: Ino, name: string, mode: number, caller: Caller): Awaitable<Attributes>
  makeSymlink(parent: Ino, name: string, target: Uint8Array, caller: Caller): Awaitable<Attributes>
  link(ino: Ino, newParent: Ino, newName: string): Awaitable<Attributes>
  unlink(parent: Ino, name: string): Awaitable<void>
  removeDirectory(parent: Ino, name: string): Awaitable<void>
  rename(request: RenameRequest): Awaitable<void>

  open(ino: Ino, flags: number, caller: Caller): Awaitable<Opened>
  create(
    parent: Ino,
    name: string,
    mode: number,
    flags: number,
    caller: Caller,
  ): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }>
  /** Bytes from `offset` on, fewer only at the end of the file; in pieces, none of them copied twice. */
  read(
    fh: FileHandle,
    offset: number,
    lengthBytes: number,
    how?: ReadHow,
  ): Awaitable<readonly Uint8Array[]>
  /** Stages bytes; returns how many. */
  write(fh: FileHandle, request: WriteRequest): Awaitable<number>
  /** The same of what the kernel had cached, through a handle that is none of the filesystem's. */
  writeCached(ino: Ino, request: WriteRequest): Awaitable<number>
  /** close(2) of one descriptor; a handle may see several. */
  flush(fh: FileHandle, caller: Caller): Awaitable<void>
  /** The last descriptor and mapping of a handle are gone. */
  release(fh: FileHandle, caller: Caller): Awaitable<void>
  /** Also asked for behind the content of each write with O_SYNC. */
  fsync(fh: FileHandle, dataOnly: boolean, caller: Caller): Awaitable<void>

  /** Makes a file without a name; the last reference ends it unless it gets one. */
  makeUnnamed(
    parent: Ino,
    mode: number,
    flags: number,
    caller: Caller,
  ): Awaitable<{ readonly attributes: Attributes; readonly opened: Opened }>

  /** lseek(2) with `whence` SEEK_DATA (3) or SEEK_HOLE (4). Throws FsError ENXIO or EINVAL. */
  seek(fh: FileHandle, offset: number, whence: number): Awaitable<number>
  /** fallocate(2); `mode` has its flags. */
  allocate(fh: FileHandle, mode: number, offset: number, lengthBytes: number): Awaitable<void>

  /** copy_file_range(2); returns how many bytes were copied, which may be less. */
  copyRange(request: CopyRequest): Awaitable<number>

  /** ioctl(2); returns what it gives back. Throws FsError ENOTTY for a command that is unknown. */
  ioctl(request: IoctlRequest, caller: Caller): Awaitable<Uint8Array>

  openDirectory(ino: Ino): Awaitable<FileHandle>
  /** Entries behind `offset` (0: from the start), `.` and `..` included, in a stable order. */
  readDirectory(fh: FileHandle, offset: number): Awaitable<Iterable<DirectoryEntry>>
  releaseDirectory(fh: FileHandle): Awaitable<void>
  fsyncDirectory(fh: FileHandle): Awaitable<void>

  statistics(): Awaitable<FilesystemStatistics>

  getXattr(ino: Ino, name: string, caller?: Caller): Awaitable<Uint8Array>
  /** `flags`: 1 = XATTR_CREATE, 2 = XATTR_REPLACE. */
  setXattr(
    ino: Ino,
    name: string,
    value: Uint8Array,
    flags: number,
    setter?: XattrSetter,
  ): Awaitable<void>
  /** Names that only root sees are left out for others. */
  listXattr(ino: Ino, caller?: Caller): Awaitable<readonly string[]>
  removeXattr(ino: Ino, name: string): Awaitable<void>
}

/** What the filesystem needs of the kernel when content changes behind the kernel's back. */
export interface KernelCache {
  /**
   * Has the kernel write back what is dirty of an inode and forget what it has cached of its
   * content and attributes. Requests for the inode arrive meanwhile, so the caller must not hold
   * what they wait for. Throws FsError ENOTCONN if the mount has ended by then: a part of what was dirty
   * may never come.
   */
  invalidate(ino: Ino): Promise<void>
  /** The same for a range of the content. */
  dropRange?(ino: Ino, offset: number, lengthBytes: number): Promise<void>
  /**
   * Has the kernel send what is dirty of an inode, content and times, and keep all of it cached.
   * As for `invalidate`, the caller must not hold what requests wait for. Rejects if it fails.
   */
  writeBack(ino: Ino): Promise<void>
  /**
   * Has the kernel send what is dirty of the content of inodes. What it has cached of them may go or stay.
   * As for `invalidate`, the caller must not hold what requests wait for, and it throws the same.
   */
  collect(inos: readonly Ino[]): Promise<void>
  /** Lets go of what these two keep for the next time, which would keep the mount busy. */
  endWriteBacks(ino: Ino): Promise<void>
  /**
   * Has the kernel forget where a name leads. It takes the lock of the directory, so a request that
   * changes it must never wait for this.
   */
  dropName(parent: Ino, name: string): Promise<void>
  /**
   * Makes the kernel believe in another size; it owns sizes while it caches writes. With `lastByte`
   * the file grows, which takes no lock of the inode; without it, it may shrink, and the kernel
   * must not hold that lock until this is done.
   */
  resize(ino: Ino, size: number, how?: ResizeHow): Promise<void>
  /**
   * Whether it keeps sizes and times of files by itself, whatever answers say, as far as they are
   * changed through its cache; it tells of times by SETATTR. Default: no.
   */
  readonly ownsAttributes?: boolean
  /**
   * Makes it take the time of the modification that attributes have, and their size if that is another.
   * Takes the kernel's lock of the inode, as `resize` does.
   */
  adopt?(attributes: Attributes, isResized: boolean): Promise<void>
  /**
   * Has the kernel ask again for attributes that have changed without its knowledge. Requires: it
   * waits for an answer about an open file of this inode, and so is neither making nor dropping it.
   */
  dropAttributes(ino: Ino): void
  /** The same at any time, a little later. */
  dropAttributesLater(ino: Ino): Promise<void>
  /**
   * Has the kernel set times, which it owns like sizes; it sends them back as any utimensat(2). The kernel must not hold the inode's lock until this is done.
   */
  touch?(attributes: Pick<Attributes, 'ino' | 'atimeNs' | 'mtimeNs'>): Promise<void>
  /**
   * Has the kernel set the time of change alone, which it owns, too, and say it to `take`; what that returns
   * is the answer. What is dirty of the inode is sent before. The same as for `touch` holds of the lock.
   */
  moveChangeTime?(
    attributes: Pick<Attributes, 'ino' | 'atimeNs'>,
    take: (ctimeNs: bigint) => Awaitable<Attributes>,
  ): Promise<void>
}

export interface ResizeHow {
  /** The last byte of the content, if the file is to grow. */
  readonly lastByte?: Uint8Array
  /** Told that the kernel has the size, although it may still be dropping pages. */
  readonly onTaken?: () => void
}
