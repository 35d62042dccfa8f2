import { type ErrnoCode, FsError } from '../../errors.ts'
import * as directories from './directory-handlers.ts'
import type { Handler } from './edge.ts'
import * as files from './file-handlers.ts'
import * as inodes from './inode-handlers.ts'
import { ioctl } from './ioctl-handler.ts'
import { OPCODE, operationName } from './protocol.ts'
import { encodeDone } from './replies.ts'
import { decodeInit } from './request-decoders.ts'
import * as xattrs from './xattr-handlers.ts'

const ignore: Handler = () => undefined

/** The same error each time: where it was made tells nothing. */
function refuse(code: ErrnoCode): Handler {
  const error = new FsError(code, 'The operation is not offered')
  return () => {
    throw error
  }
}

/**
 * After one ENOSYS the kernel does an operation by its own means or refuses it, without asking
 * again. For ioctl(2), programs understand ENOTTY.
 */
const TABLE: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [OPCODE.INIT, (edge, { body }) => edge.initialise(decodeInit(body))],
  [OPCODE.DESTROY, encodeDone],
  // A request under way runs to its end; the answer is good although nobody waits for it.
  [OPCODE.INTERRUPT, ignore],

  [OPCODE.LOOKUP, inodes.lookup],
  [OPCODE.FORGET, inodes.forget],
  [OPCODE.BATCH_FORGET, inodes.batchForget],
  [OPCODE.GETATTR, inodes.getAttributes],
  [OPCODE.STATX, inodes.statx],
  [OPCODE.SETATTR, inodes.setAttributes],
  [OPCODE.READLINK, inodes.readLink],
  [OPCODE.SYMLINK, inodes.makeSymlink],
  [OPCODE.MKNOD, inodes.makeNode],
  [OPCODE.MKDIR, inodes.makeDirectory],
  [OPCODE.UNLINK, inodes.unlink],
  [OPCODE.RMDIR, inodes.removeDirectory],
  [OPCODE.RENAME, inodes.rename],
  [OPCODE.RENAME2, inodes.renameWithFlags],
  [OPCODE.LINK, inodes.link],
  [OPCODE.STATFS, inodes.statistics],

  [OPCODE.OPEN, files.open],
  [OPCODE.CREATE, files.create],
  [OPCODE.READ, files.read],
  [OPCODE.WRITE, files.write],
  [OPCODE.FLUSH, files.flush],
  [OPCODE.RELEASE, files.release],
  [OPCODE.FSYNC, files.fsync],

  [OPCODE.OPENDIR, directories.openDirectory],
  [OPCODE.READDIR, directories.readDirectory],
  [OPCODE.READDIRPLUS, directories.readDirectoryPlus],
  [OPCODE.RELEASEDIR, directories.releaseDirectory],
  [OPCODE.FSYNCDIR, directories.fsyncDirectory],

  [OPCODE.GETXATTR, xattrs.getXattr],
  [OPCODE.LISTXATTR, xattrs.listXattr],
  [OPCODE.SETXATTR, xattrs.setXattr],
  [OPCODE.REMOVEXATTR, xattrs.removeXattr],

  // The kernel checks permissions itself (default_permissions).
  [OPCODE.ACCESS, refuse('ENOSYS')],
  [OPCODE.LSEEK, files.seek],
  [OPCODE.COPY_FILE_RANGE, files.copyRange],
  [OPCODE.FALLOCATE, files.allocate],
  [OPCODE.TMPFILE, files.makeUnnamed],
  [OPCODE.IOCTL, ioctl],
  [OPCODE.POLL, refuse('ENOSYS')],
  [OPCODE.BMAP, refuse('ENOSYS')],
  [OPCODE.SYNCFS, refuse('ENOSYS')],
])

/** Finds the handler of an opcode. Throws FsError ENOSYS. */
export function handlerOf(opcode: number): Handler {
  const handler = TABLE.get(opcode)
  if (handler === undefined) throw new FsError('ENOSYS', `No ${operationName(opcode)} here`)
  return handler
}

/** Whether the kernel waits for an answer. */
export function isAnswered(opcode: number): boolean {
  return opcode !== OPCODE.FORGET && opcode !== OPCODE.BATCH_FORGET && opcode !== OPCODE.INTERRUPT
}
