/** Making, finding and removing names. Each call is one commit. */
import { FsError } from '../errors.ts'
import {
  INODE_ATOMIC,
  INODE_ON_CLOSE_DISCARD,
  INODE_ON_CLOSE_KEEP,
  type Ino,
  type Inode,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_MASK,
  TYPE_SYMLINK,
  isDirectory,
  newInode,
} from '../store/inode.ts'
import { discardLocked } from '../txn/discard.ts'
import { getAttributes } from './attributes.ts'
import { type FsContext, whenRoom } from './context.ts'
import { addName, checkNewName, dropLink, findDirent, getDirent, removeName } from './names.ts'
import type { Attributes, Awaitable, Caller } from './operations.ts'
import { assertSpaceForMetadata } from './space.ts'

const SET_GROUP_ID = 0o2000
const INHERITED_FLAGS = INODE_ATOMIC | INODE_ON_CLOSE_DISCARD | INODE_ON_CLOSE_KEEP
const SYMLINK_LENGTH_MAX = 4095
const LINK_COUNT_MAX = 0x7fff_ffff

export interface NewNode {
  readonly parent: Ino
  readonly name: string
  readonly mode: number
  readonly caller: Caller
  readonly rdev?: number
  readonly target?: Uint8Array
}

export function lookup(context: FsContext, parent: Ino, name: string): Attributes | undefined {
  const dirent = findDirent(context, parent, name)
  if (dirent === undefined) return undefined
  if (context.engine.inodes.find(dirent.ino) !== undefined) return referenced(context, dirent.ino)
  const what = `leads to inode ${dirent.ino}, which the index has lost`
  throw context.engine.damaged({ ino: parent, offset: 0, block: undefined, what })
}

/** Attributes of an inode that the kernel now has one reference more to. */
export function referenced(context: FsContext, ino: Ino): Attributes {
  const attributes = getAttributes(context, ino)
  context.references.add(ino)
  return attributes
}

export function makeNode(context: FsContext, node: NewNode): Awaitable<Attributes> {
  return whenRoom(context, () => makeNodeNow(context, node))
}

/** Requires: the journal has room. */
export function makeNodeNow(context: FsContext, node: NewNode): Attributes {
  const { engine } = context
  checkNewName(context, node.parent, node.name)
  assertSpaceForMetadata(context.engine.store.device.index)
  const now = engine.clock()
  const inode = inodeFor(context, node, now)
  const change = engine.begin()
  change.addInode(inode)
  addName(change, node.parent, node.name, inode, now)
  engine.commit(change)
  return referenced(context, inode.ino)
}

function inodeFor(context: FsContext, node: NewNode, now: bigint): Inode {
  const parent = context.engine.inodes.get(node.parent)
  const inode = newInode(context.engine.takeIno(), node.mode, now)
  inode.uid = node.caller.uid
  inode.gid = node.caller.gid
  inode.rdev = node.rdev ?? 0
  if (node.target !== undefined) inode.target = Uint8Array.from(node.target)
  const type = node.mode & TYPE_MASK
  if ((parent.mode & SET_GROUP_ID) !== 0) {
    inode.gid = parent.gid
    if (type === TYPE_DIRECTORY) inode.mode |= SET_GROUP_ID
  }
  if (type === TYPE_DIRECTORY) {
    inode.nlink = 2
    inode.parent = node.parent
  }
  if (type === TYPE_DIRECTORY || type === TYPE_FILE) inode.flags |= parent.flags & INHERITED_FLAGS
  if (type === TYPE_FILE && context.options.atomicByDefault) inode.flags |= INODE_ATOMIC
  return inode
}

export function makeSymlink(context: FsContext, node: NewNode): Awaitable<Attributes> {
  const length = node.target?.length ?? 0
  if (length === 0) throw new FsError('ENOENT', 'A symbolic link leads somewhere')
  if (length > SYMLINK_LENGTH_MAX) {
    throw new FsError('ENAMETOOLONG', `A symbolic link has ${SYMLINK_LENGTH_MAX} bytes at most`)
  }
  return makeNode(context, { ...node, mode: TYPE_SYMLINK | 0o777 })
}

export function readLink(context: FsContext, ino: Ino): Uint8Array {
  const inode = context.engine.inodes.get(ino)
  if ((inode.mode & TYPE_MASK) !== TYPE_SYMLINK) {
    throw new FsError('EINVAL', `Inode ${ino} is not a symbolic link`)
  }
  return inode.target
}

export function link(
  context: FsContext,
  ino: Ino,
  newParent: Ino,
  newName: string,
): Awaitable<Attributes> {
  return whenRoom(context, () => {
    const { engine } = context
    const inode = engine.inodes.get(ino)
    if (isDirectory(inode)) throw new FsError('EPERM', 'A directory has one name only')
    if (inode.nlink === 0) throw new FsError('ENOENT', `Inode ${ino} was removed`)
    if (inode.nlink >= LINK_COUNT_MAX) throw new FsError('EMLINK', 'Too many names for one file')
    checkNewName(context, newParent, newName)
    assertSpaceForMetadata(context.engine.store.device.index)
    const now = engine.clock()
    const change = engine.begin()
    const draft = change.inode(ino)
    draft.nlink++
    draft.ctimeNs = now
    addName(change, newParent, newName, draft, now)
    engine.commit(change)
    return referenced(context, ino)
  })
}

export function unlink(context: FsContext, parent: Ino, name: string): Awaitable<void> {
  return whenRoom(context, () => {
    const inode = context.engine.inodes.get(getDirent(context, parent, name).ino)
    if (isDirectory(inode))
      throw new FsError('EISDIR', `Cannot unlink "${name}": it is a directory`)
    removeNow(context, parent, name, inode)
  })
}

export function removeDirectory(context: FsContext, parent: Ino, name: string): Awaitable<void> {
  return whenRoom(context, () => {
    const inode = context.engine.inodes.get(getDirent(context, parent, name).ino)
    if (!isDirectory(inode)) throw new FsError('ENOTDIR', `"${name}" is not a directory`)
    if (inode.entryCount > 0) {
      throw new FsError('ENOTEMPTY', `Cannot remove "${name}": the directory is not empty`)
    }
    removeNow(context, parent, name, inode)
  })
}

function removeNow(context: FsContext, parent: Ino, name: string, inode: Inode): void {
  const { engine } = context
  const now = engine.clock()
  const change = engine.begin()
  removeName(change, parent, name, inode, now)
  dropLink(change, change.inode(inode.ino), now)
  engine.commit(change)
  reapIfForgotten(context, inode.ino)
}

/** An inode without a name that the kernel does not know either is freed in the background. */
export function reapIfForgotten(context: FsContext, ino: Ino): void {
  const inode = context.engine.inodes.find(ino)
  if (inode === undefined || inode.nlink > 0) return
  if (context.references.has(ino) || context.files.isOpen(ino)) return
  const file = context.files.find(ino)
  if (file !== undefined) {
    discardLocked(context.engine, file)
    context.files.settle(file)
  }
  context.reaper.addOrphan(ino)
}
