import type { OperationName } from './addon.ts'
import * as directories from './directory-handlers.ts'
import type { Handler } from './edge.ts'
import * as files from './file-handlers.ts'
import * as inodes from './inode-handlers.ts'
import * as names from './name-handlers.ts'
import * as xattrs from './xattr-handlers.ts'

/** For what libfuse asks beyond these it answers ENOSYS by itself. */
export const HANDLERS: Readonly<Record<Exclude<OperationName, 'init'>, Handler>> = {
  getattr: inodes.getAttributes,
  fgetattr: inodes.getHandleAttributes,
  chmod: inodes.setMode,
  chown: inodes.setOwner,
  utimens: inodes.setTimes,
  truncate: inodes.truncate,
  ftruncate: inodes.truncateHandle,
  readlink: inodes.readLink,
  statfs: inodes.statistics,

  mknod: names.makeNode,
  mkdir: names.makeDirectory,
  symlink: names.makeSymlink,
  link: names.link,
  unlink: names.unlink,
  rmdir: names.removeDirectory,
  rename: names.rename,

  open: files.open,
  create: files.create,
  read: files.read,
  write: files.write,
  flush: files.flush,
  release: files.release,
  fsync: files.fsync,

  opendir: directories.openDirectory,
  readdir: directories.readDirectory,
  releasedir: directories.releaseDirectory,
  fsyncdir: directories.fsyncDirectory,

  getxattr: xattrs.getXattr,
  listxattr: xattrs.listXattr,
  setxattr: xattrs.setXattr,
  removexattr: xattrs.removeXattr,
}

/** Which of its parameters is memory of libfuse; the path is 0. */
export const MEMORY_PARAMETER: Readonly<Partial<Record<OperationName, number>>> = {
  read: 2,
  write: 2,
  getxattr: 2,
  setxattr: 2,
  listxattr: 1,
}
