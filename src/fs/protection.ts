/**
 * What chattr(1) protects: an immutable inode does not change at all, one that is append-only grows
 * and nothing else, and a directory of either kind loses no name. Who may set that is the kernel's
 * to say; every call here throws FsError EPERM, as local filesystems do.
 */
import { FsError } from '../errors.ts'
import {
  INODE_APPEND_ONLY,
  INODE_IMMUTABLE,
  type Ino,
  type Inode,
  isIsolated,
} from '../store/inode.ts'
import type { Engine } from '../txn/engine.ts'
import type { FsContext } from './context.ts'
import {
  type AttributeChanges,
  OPEN_ACCMODE,
  OPEN_APPEND,
  OPEN_RDONLY,
  OPEN_TRUNC,
} from './operations.ts'

const PROTECTED = INODE_IMMUTABLE | INODE_APPEND_ONLY

function refuseIf(isRefused: boolean, what: string): void {
  if (isRefused) throw new FsError('EPERM', `${what} is protected; see lsattr(1)`)
}

const has = (inode: Inode, flags: number): boolean => (inode.flags & flags) !== 0

/** Before the content changes in any way but by appending. */
export function assertMutable(inode: Inode): void {
  refuseIf(has(inode, PROTECTED), `Inode ${inode.ino}`)
}

/**
 * Before published blocks of a file change places with others: everything that does so asks here. What
 * may not move is refused here, too.
 */
export function assertRemappable(engine: Engine, inode: Inode): void {
  assertMutable(inode)
  if (!isIsolated(inode) && !engine.versions.has(inode.ino)) return
  throw new FsError('EOPNOTSUPP', `Inode ${inode.ino} is isolated; it can only be written`)
}

/** Before a file is opened in this way. */
export function assertOpenable(inode: Inode, flags: number): void {
  const isWriter = (flags & OPEN_ACCMODE) !== OPEN_RDONLY
  const truncates = (flags & OPEN_TRUNC) !== 0
  const appends = (flags & OPEN_APPEND) !== 0
  refuseIf(has(inode, INODE_IMMUTABLE) && (isWriter || truncates), `Inode ${inode.ino}`)
  refuseIf(
    has(inode, INODE_APPEND_ONLY) && (truncates || (isWriter && !appends)),
    `Inode ${inode.ino}`,
  )
}

/** Before a write(2) through a descriptor that was open before the file was protected. */
export function assertWritableNow(inode: Inode): void {
  refuseIf(has(inode, INODE_IMMUTABLE), `Inode ${inode.ino}`)
}

/** Before attributes change. The times of an append-only file may become those of now. */
export function assertAttributesMutable(inode: Inode, changes: AttributeChanges): void {
  if (!has(inode, PROTECTED)) return
  const { mode, uid, gid, size, atime, mtime } = changes
  const setsTime =
    typeof atime === 'bigint' || (typeof mtime === 'bigint' && changes.ctime === undefined)
  const isChange = [mode, uid, gid, size].some((value) => value !== undefined) || setsTime
  const isNow = atime === 'now' || mtime === 'now'
  refuseIf(isChange || (isNow && has(inode, INODE_IMMUTABLE)), `Inode ${inode.ino}`)
}

/** Before a name is added to a directory. */
export function assertTakesNames(context: FsContext, parent: Ino): void {
  const directory = context.engine.inodes.get(parent)
  refuseIf(has(directory, INODE_IMMUTABLE), `Directory ${parent}`)
}

/** Before an inode loses a name in a directory, or is replaced there. Throws FsError EBUSY, too. */
export function assertLosesName(context: FsContext, parent: Ino, inode: Inode): void {
  context.transactions.assertNotReplaced(parent)
  if (context.transactions.isPinned(inode.ino)) {
    throw new FsError('EBUSY', `Directory ${inode.ino} is being changed in a transaction`)
  }
  refuseIf(has(context.engine.inodes.get(parent), PROTECTED), `Directory ${parent}`)
  assertMutable(inode)
}
