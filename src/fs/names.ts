/** Entries of directories. */
import { FsError } from '../errors.ts'
import {
  type Dirent,
  type Ino,
  type Inode,
  TYPE_MASK,
  decodeDirent,
  isDirectory,
} from '../store/inode.ts'
import { direntKey } from '../store/keys.ts'
import type { Change } from '../txn/change.ts'
import type { FsContext } from './context.ts'
import { assertTakesNames } from './protection.ts'

/** Bytes of a name. */
export const NAME_LENGTH_MAX = 255

/** Throws FsError ENAMETOOLONG: such a name is not merely absent. */
export function findDirent(context: FsContext, parent: Ino, name: string): Dirent | undefined {
  checkNameLength(name)
  const body = context.engine.store.metadata.getCached(direntKey(parent, name))
  return body === undefined ? undefined : decodeDirent(body)
}

/** Throws FsError ENOENT or ENAMETOOLONG. */
export function getDirent(context: FsContext, parent: Ino, name: string): Dirent {
  const dirent = findDirent(context, parent, name)
  if (dirent === undefined) throw new FsError('ENOENT', `"${name}" does not exist`)
  return dirent
}

/** Whether a new entry may be made. Throws FsError ENAMETOOLONG, EINVAL, EEXIST, ENOTDIR, ENOENT. */
export function checkNewName(context: FsContext, parent: Ino, name: string): void {
  checkNameLength(name)
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw new FsError('EINVAL', `"${name}" is not the name of an entry`)
  }
  checkDirectory(context, parent)
  if (findDirent(context, parent, name) !== undefined) {
    throw new FsError('EEXIST', `"${name}" exists`)
  }
}

/** Whether something may be made in a directory. Throws FsError ENOTDIR or ENOENT. */
export function checkDirectory(context: FsContext, ino: Ino): void {
  const directory = context.engine.inodes.get(ino)
  if (!isDirectory(directory)) throw new FsError('ENOTDIR', `Inode ${ino} is not a directory`)
  context.transactions.assertNotReplaced(ino)
  if (directory.nlink === 0 || context.doomed.has(ino))
    throw new FsError('ENOENT', `Directory ${ino} was removed`)
  assertTakesNames(context, ino)
}

export function checkNameLength(name: string): void {
  if (name.length > NAME_LENGTH_MAX) {
    throw new FsError('ENAMETOOLONG', `A name has ${NAME_LENGTH_MAX} bytes at most`)
  }
}

/** Enters an inode into a directory. */
export function addName(
  change: Change,
  parent: Ino,
  name: string,
  inode: Inode,
  now: bigint,
): void {
  const directory = change.inode(parent)
  const cookie = directory.cookieNext++
  change.putDirent(parent, name, { ino: inode.ino, type: inode.mode & TYPE_MASK, cookie })
  directory.entryCount++
  if (isDirectory(inode)) directory.nlink++
  touchDirectory(directory, now)
}

/** Takes an entry out of a directory. The inode's own link count is the caller's business. */
export function removeName(
  change: Change,
  parent: Ino,
  name: string,
  inode: Inode,
  now: bigint,
): void {
  const directory = change.inode(parent)
  change.removeDirent(parent, name)
  directory.entryCount--
  if (isDirectory(inode)) directory.nlink--
  touchDirectory(directory, now)
}

export function touchDirectory(directory: Inode, now: bigint): void {
  directory.mtimeNs = now
  directory.ctimeNs = now
}

/** An inode loses a name, or a directory its only one; without any it becomes an orphan. */
export function dropLink(change: Change, draft: Inode, now: bigint): void {
  draft.nlink = isDirectory(draft) ? 0 : draft.nlink - 1
  draft.ctimeNs = now
  if (draft.nlink === 0) change.putOrphan(draft.ino)
}
