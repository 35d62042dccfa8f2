/**
 * Numbers of the FUSE protocol, as the kernel's <linux/fuse.h> assigns them. All integers on the
 * wire are of the machine's byte order, which is little-endian wherever this program runs.
 */

export const PROTOCOL_MAJOR = 7
/** The oldest kernel that is served: Linux 5.4. */
export const PROTOCOL_MINOR_MIN = 31
/** The newest minor version whose messages are understood here. */
export const PROTOCOL_MINOR = 39

export const ROOT_INO = 1

export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const satisfies Readonly<Record<string, number>>

export const NOTIFY = { INVAL_INODE: 2, INVAL_ENTRY: 3, STORE: 4 } as const

/** Features in INIT's `flags`. */
export const FEATURE = {
  ASYNC_READ: 1 << 0,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const

/** Features in INIT's `flags2`. */
export const MORE_FEATURES = { ALLOW_IDMAP: 1 << 8 } as const

/** Which fields of a SETATTR count. */
export const SETATTR_VALID = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const

/** In the answer to OPEN: what is cached of the content stays good. */
export const OPENED_KEEP_CACHE = 1 << 1
/** The same: reads and writes do not go through the cache. */
export const OPENED_DIRECT_IO = 1 << 0
/** In OPEN: the file loses set-user-id and set-group-id with its content. */
export const OPEN_KILL_SUIDGID = 1 << 0

/** In GETATTR and STATX: it is asked through a handle. */
export const ATTRIBUTES_OF_HANDLE = 1 << 0

/** In READ: a process waits for it. What the kernel reads for its cache has no owner. */
export const READ_LOCK_OWNER = 1 << 1
export const WRITE_CACHE = 1 << 0
export const WRITE_KILL_SUIDGID = 1 << 2

/** In IOCTL: the handle is that of a directory. */
export const IOCTL_DIRECTORY = 1 << 4

/** In SETXATTR: an ACL is set by somebody who is not of the file's group. */
export const SETXATTR_ACL_KILL_SGID = 1 << 0

export const FSYNC_DATA_ONLY = 1 << 0

export const RENAME_NOREPLACE = 1 << 0
export const RENAME_EXCHANGE = 1 << 1
export const RENAME_WHITEOUT = 1 << 2

export const S_IFMT = 0o170000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
/** What MKNOD makes: files, pipes, devices of characters and blocks, sockets. */
export const NODE_TYPES = [S_IFREG, 0o010000, 0o020000, 0o060000, 0o140000] as const

export const REQUEST_HEADER_SIZE = 40
/** What precedes the payload of a WRITE, behind the request's header. */
export const WRITE_HEADER_SIZE = 40
export const REPLY_HEADER_SIZE = 16

/** The largest payload of one WRITE or READ. */
export const WRITE_SIZE_MAX = 1024 * 1024
export const PAGE_SIZE = 4096

const NAMES = new Map<number, string>(
  Object.entries(OPCODE).map(([name, opcode]) => [opcode, name.toLowerCase()]),
)

/** The name of an operation, for the log. */
export function operationName(opcode: number): string {
  return NAMES.get(opcode) ?? `opcode ${String(opcode)}`
}
