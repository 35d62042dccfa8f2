/** Making, finding and removing names. Each call is one commit. */
import { FsError } from '../errors.ts'
import {
  INODE_ATOMIC,
  INODE_ISOLATED,
  INODE_NO_ACCESS_TIME,
  INODE_NO_DUMP,
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
import type { Change } from '../txn/change.ts'
import { inheritAcl } from './acl-xattrs.ts'
import { assertAlive } from './alive.ts'
import { getAttributes } from './attributes.ts'
import { type FsContext, whenRoom } from './context.ts'
import { dropViews } from './isolation.ts'
import {
  addName,
  checkDirectory,
  checkNewName,
  dropLink,
  findDirent,
  getDirent,
  removeName,
} from './names.ts'
import type { Attributes, Awaitable, Caller } from './operations.ts'
import { assertLosesName, assertMutable } from './protection.ts'
import { assertSpaceForMetadata } from './space.ts'

const SET_GROUP_ID = 0o2000
const ATTRIBUTES_INHERITED = INODE_NO_DUMP | INODE_NO_ACCESS_TIME
const INHERITED_FLAGS =
  INODE_ATOMIC |
  INODE_ISOLATED |
  INODE_ON_CLOSE_DISCARD |
  INODE_ON_CLOSE_KEEP |
  ATTRIBUTES_INHERITED
const FLAGS_BY_DEFAULT = {
  ordinary: 0,
  shared: INODE_ATOMIC,
  isolated: INODE_ATOMIC | INODE_ISOLATED,
} as const
const SYMLINK_LENGTH_MAX = 4095
const LINK_COUNT_MAX = 0x7fff_ffff

/** What is made in a directory, with or without a name in it. */
interface UnnamedNode {
  readonly parent: Ino
  readonly mode: number
  readonly caller: Caller
  readonly rdev?: number
  readonly target?: Uint8Array
}

export interface NewNode extends UnnamedNode {
  readonly name: string
}

export function lookup(context: FsContext, parent: Ino, name: string): Attributes | undefined {
  if (name === '.' || name === '..') return lookupByNumber(context, parent, name)
  const dirent = findDirent(context, parent, name)
  if (dirent === undefined) {
    const hidden = context.transactions.find(parent, name)
    return hidden === undefined ? undefined : referenced(context, hidden)
  }
  if (context.engine.inodes.find(dirent.ino) !== undefined) return referenced(context, dirent.ino)
  const what = `leads to inode ${dirent.ino}, which the index has lost`
  throw context.engine.damaged({ ino: parent, offset: 0, block: undefined, what })
}

/** An inode that the kernel has only a number of, from a file handle, or the parent of such a one. */
function lookupByNumber(context: FsContext, ino: Ino, name: '.' | '..'): Attributes | undefined {
  const inode = context.engine.inodes.find(ino)
  if (inode === undefined || (inode.nlink === 0 && !context.references.has(ino))) return undefined
  return referenced(context, name === '.' ? ino : inode.parent)
}

/** Attributes of an inode that the kernel now has one reference more to. */
export function referenced(context: FsContext, ino: Ino): Attributes {
  assertAlive(context, ino)
  const attributes = getAttributes(context, ino)
  context.references.add(ino)
  return context.kernelAttributes.asBelieved(attributes)
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
  const change = engine.begin()
  const inode = fillNode(context, node, change, now)
  engine.commit(change)
  return referenced(context, inode.ino)
}

/** Adds a new inode with its name to a change. Requires: the name is free. */
export function fillNode(context: FsContext, node: NewNode, change: Change, now: bigint): Inode {
  const inode = inodeFor(context, node, now)
  addInode(context, change, inode, node)
  addName(change, node.parent, node.name, inode, now)
  return inode
}

/** A file of O_TMPFILE: an orphan until `link` gives it a name. Requires: the journal has room. */
export function makeUnnamedNow(context: FsContext, node: UnnamedNode): Attributes {
  const { engine } = context
  checkDirectory(context, node.parent)
  assertSpaceForMetadata(engine.store.device.index)
  const inode = inodeFor(context, node, engine.clock())
  inode.nlink = 0
  const change = engine.begin()
  addInode(context, change, inode, node)
  change.putOrphan(inode.ino)
  engine.commit(change)
  context.references.linkable.add(inode.ino)
  // Known before it is looked at: without a name and unknown it would be gone.
  context.references.add(inode.ino)
  return getAttributes(context, inode.ino)
}

function addInode(context: FsContext, change: Change, inode: Inode, node: UnnamedNode): void {
  change.addInode(inode)
  const parent = context.engine.inodes.get(node.parent)
  inheritAcl(context, change, inode, parent, node.caller.umask ?? 0)
}

function inodeFor(context: FsContext, node: UnnamedNode, now: bigint): Inode {
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
  const isOptedIn = (inode.flags & INODE_ATOMIC) !== 0
  if (type === TYPE_FILE && !isOptedIn) inode.flags |= FLAGS_BY_DEFAULT[context.options.newFiles]
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
  context.accessTimes.touch(inode)
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
    const isUnnamed = context.references.linkable.has(ino)
    if (inode.nlink === 0 && !isUnnamed) throw new FsError('ENOENT', `Inode ${ino} was removed`)
    assertMutable(inode)
    context.transactions.assertNotReplaced(ino)
    if (inode.nlink >= LINK_COUNT_MAX) throw new FsError('EMLINK', 'Too many names for one file')
    checkNewName(context, newParent, newName)
    assertSpaceForMetadata(context.engine.store.device.index)
    const now = engine.clock()
    const change = engine.begin()
    const draft = change.inode(ino)
    draft.nlink++
    draft.ctimeNs = now
    if (isUnnamed) change.removeOrphan(ino)
    addName(change, newParent, newName, draft, now)
    engine.commit(change)
    context.references.linkable.delete(ino)
    return referenced(context, ino)
  })
}

export function unlink(context: FsContext, parent: Ino, name: string): Awaitable<void> {
  return whenRoom(context, () => {
    const inode = context.engine.inodes.get(getDirent(context, parent, name).ino)
    if (isDirectory(inode))
      throw new FsError('EISDIR', `Cannot unlink "${name}": it is a directory`)
    assertLosesName(context, parent, inode)
    removeNow(context, parent, name, inode)
  })
}

export function removeDirectory(context: FsContext, parent: Ino, name: string): Awaitable<void> {
  return whenRoom(context, () => {
    const inode = context.engine.inodes.get(getDirent(context, parent, name).ino)
    if (!isDirectory(inode)) throw new FsError('ENOTDIR', `"${name}" is not a directory`)
    assertLosesName(context, parent, inode)
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
  context.files.touchName(parent, name)
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
  if (file?.lock.isHeld === true) {
    // Something is under way that will look for what it has staged.
    void file.lock.acquire().then((release) => {
      release()
      reapIfForgotten(context, ino)
    })
    return
  }
  if (file !== undefined) {
    discardLocked(context.engine, file)
    dropViews(context, file)
    context.files.settle(file)
  }
  context.reaper.addOrphan(ino)
}
