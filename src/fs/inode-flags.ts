/**
 * The ioctls of chattr(1) and lsattr(1): FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, and their wider form
 * FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR (include/uapi/linux/fs.h).
 */
import { FsError } from '../errors.ts'
import {
  INODE_APPEND_ONLY,
  INODE_IMMUTABLE,
  INODE_NO_ACCESS_TIME,
  INODE_NO_DUMP,
  type Inode,
  isDirectory,
  isFile,
} from '../store/inode.ts'
import { showChange } from './change-times.ts'
import { type FsContext, type IoctlHandler, whenRoom } from './context.ts'
import { Identity, isUnnamed } from './identity.ts'
import type { Awaitable, Caller } from './operations.ts'
import { assertOwns } from './permission.ts'

const GET_FLAGS = 0x8008_6601
const SET_FLAGS = 0x4008_6602
const GET_XFLAGS = 0x801c_581f
const SET_XFLAGS = 0x401c_5820

const FLAGS_SIZE = 4
/** struct fsxattr: flags, then sizes, counts and a project that nothing here has. */
const FSXATTR_SIZE = 28

/** Our bit, that of FS_IOC_GETFLAGS, that of FS_IOC_FSGETXATTR. */
const BITS = [
  [INODE_IMMUTABLE, 0x10, 0x08],
  [INODE_APPEND_ONLY, 0x20, 0x10],
  [INODE_NO_DUMP, 0x40, 0x80],
  [INODE_NO_ACCESS_TIME, 0x80, 0x40],
] as const

const PROTECTED = INODE_IMMUTABLE | INODE_APPEND_ONLY
const OWN = BITS.reduce((all, [own]) => all | own, 0)

/** Each with the column of `BITS` and the size of its argument. */
export const FLAGS_IOCTLS: readonly (readonly [command: number, handler: IoctlHandler])[] = [
  [GET_FLAGS, getter(1, FLAGS_SIZE)],
  [GET_XFLAGS, getter(2, FSXATTR_SIZE)],
  [SET_FLAGS, setter(1, FLAGS_SIZE)],
  [SET_XFLAGS, setter(2, FSXATTR_SIZE)],
]

function getter(column: 1 | 2, sizeBytes: number): IoctlHandler {
  return ({ engine }, { ino }) => answer(engine.inodes.get(ino), column, sizeBytes)
}

function setter(column: 1 | 2, sizeBytes: number): IoctlHandler {
  return (context, { ino, input }, caller) =>
    setFlags(context, context.engine.inodes.get(ino), read(input, column, sizeBytes), caller)
}

function answer(inode: Inode, column: 1 | 2, sizeBytes: number): Uint8Array {
  const shown = BITS.reduce(
    (all, bits) => all | ((inode.flags & bits[0]) === 0 ? 0 : bits[column]),
    0,
  )
  const out = Buffer.alloc(sizeBytes)
  out.writeUInt32LE(shown)
  return out
}

function read(input: Uint8Array, column: 1 | 2, sizeBytes: number): number {
  if (input.length < sizeBytes) throw new FsError('EINVAL', 'The flags of an inode are cut off')
  const wanted = Buffer.from(input).readUInt32LE()
  const known = BITS.reduce((all, bits) => all | bits[column], 0)
  if ((wanted & ~known) !== 0) {
    throw new FsError(
      'EOPNOTSUPP',
      `Inode flags 0x${(wanted >>> 0).toString(16)} are not supported`,
    )
  }
  return BITS.reduce((all, bits) => all | ((wanted & bits[column]) === 0 ? 0 : bits[0]), 0)
}

function setFlags(
  context: FsContext,
  inode: Inode,
  flags: number,
  caller: Caller | undefined,
): Awaitable<Uint8Array> {
  if (caller !== undefined) assertMaySet(context, inode, flags, caller)
  if (!isFile(inode) && !isDirectory(inode)) {
    throw new FsError('EOPNOTSUPP', 'Only files and directories have flags')
  }
  return whenRoom(context, () => {
    const change = context.engine.begin()
    const draft = change.inode(inode.ino)
    draft.flags = (draft.flags & ~OWN) | flags
    draft.ctimeNs = context.engine.clock()
    context.engine.commit(change)
    showChange(context, inode.ino)
    return new Uint8Array(0)
  })
}

/**
 * Kernels before 5.13 pass these ioctls on from everybody who could open the file. One that does not
 * name the caller is newer, has checked him, and knows better whom an inode belongs to in his mount.
 */
function assertMaySet(context: FsContext, inode: Inode, flags: number, caller: Caller): void {
  if (isUnnamed(caller)) return
  assertOwns(context, inode, caller)
  const changed = (inode.flags & OWN) ^ flags
  if ((changed & PROTECTED) === 0) return
  const who = new Identity(context.processes, caller)
  if (who.has('LINUX_IMMUTABLE', inode)) return
  throw new FsError(
    'EPERM',
    `Only root protects inodes, and inode ${inode.ino} is to be changed so`,
  )
}
