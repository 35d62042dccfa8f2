/** rename(2) and renameat2(2): one commit, whatever it replaces or exchanges. */
import { FsError } from '../errors.ts'
import { type Ino, type Inode, ROOT_INO, TYPE_MASK, isAtomic, isDirectory } from '../store/inode.ts'
import type { Change } from '../txn/change.ts'
import { publish } from '../txn/publish.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { publishIfClosed } from './close-policy.ts'
import { type FsContext, whenRoom } from './context.ts'
import {
  addName,
  checkNameLength,
  checkNewName,
  dropLink,
  findDirent,
  getDirent,
  removeName,
  touchDirectory,
} from './names.ts'
import { fillNode, reapIfForgotten } from './namespace.ts'
import type { Awaitable, RenameRequest } from './operations.ts'
import { assertLosesName } from './protection.ts'

/** A device of characters, number 0:0, that nobody may open: a name that hides one below. */
const WHITEOUT_MODE = 0o020000

export function rename(context: FsContext, request: RenameRequest): Awaitable<void> {
  context.engine.health.assertWritable()
  checkNameLength(request.newName)
  const staged = stagedAtomic(context, request)
  if (staged.length === 0) return renameNow(context, request)
  return Promise.all(staged.map(async (file) => publishIfClosed(context, file))).then(() =>
    renameNow(context, request),
  )
}

/** Atomic files under the names of a request that have something staged. */
function stagedAtomic(context: FsContext, request: RenameRequest): FileState[] {
  const dirents = [
    findDirent(context, request.parent, request.name),
    findDirent(context, request.newParent, request.newName),
  ]
  return dirents.flatMap((dirent) => {
    const file = dirent === undefined ? undefined : context.files.find(dirent.ino)
    if (file === undefined) return []
    const isStaged = [file, ...context.files.views(file)].some(({ shadow }) => shadow !== undefined)
    if (!isStaged) return []
    return isAtomic(context.engine.inodes.get(file.ino)) ? [file] : []
  })
}

function renameNow(context: FsContext, request: RenameRequest): Awaitable<void> {
  if (request.exchange) return whenRoom(context, () => exchange(context, request))
  const source = context.engine.inodes.get(getDirent(context, request.parent, request.name).ino)
  const file = context.files.find(source.ino)
  const replaces = findDirent(context, request.newParent, request.newName) !== undefined
  if (replaces && file?.shadow !== undefined && !isAtomic(source)) {
    // Whoever replaces a file by a new one means the new one's content with it: one commit.
    return renameAndPublish(context, request, file.ino)
  }
  return whenRoom(context, () => {
    const change = context.engine.begin()
    const replaced = fillRename(context, request, change)
    if (!change.isEmpty) context.engine.commit(change)
    if (replaced !== undefined) reapIfForgotten(context, replaced)
  })
}

async function renameAndPublish(
  context: FsContext,
  request: RenameRequest,
  ino: Ino,
): Promise<void> {
  // Refused now rather than by the publish, which may have moved content by then.
  fillRename(context, request, context.engine.begin())
  let replaced: Ino | undefined
  await publish(context.engine, context.files.file(ino), {
    soon: false,
    also: (change) => {
      replaced = fillRename(context, request, change)
    },
  })
  if (replaced !== undefined) reapIfForgotten(context, replaced)
}

/** Adds a rename to a change; returns the inode that it replaces. */
function fillRename(
  context: FsContext,
  { parent, name, newParent, newName, noReplace, whiteoutFor }: RenameRequest,
  change: Change,
): Ino | undefined {
  const source = context.engine.inodes.get(getDirent(context, parent, name).ino)
  const existing = findDirent(context, newParent, newName)
  if (existing !== undefined && noReplace) throw new FsError('EEXIST', `"${newName}" exists`)
  if (existing?.ino === source.ino) return undefined
  checkMove(context, source, newParent)
  assertLosesName(context, parent, source)
  const now = context.engine.clock()
  context.files.touchName(parent, name)
  context.files.touchName(newParent, newName)
  removeName(change, parent, name, source, now)
  if (existing === undefined) {
    checkNewName(context, newParent, newName)
  } else {
    const target = context.engine.inodes.get(existing.ino)
    checkReplace(source, target, newName)
    assertLosesName(context, newParent, target)
    removeName(change, newParent, newName, target, now)
    dropLink(change, change.inode(target.ino), now)
  }
  const draft = change.inode(source.ino)
  draft.ctimeNs = now
  if (isDirectory(draft)) draft.parent = newParent
  addName(change, newParent, newName, draft, now)
  if (whiteoutFor !== undefined) {
    fillNode(context, { parent, name, mode: WHITEOUT_MODE, caller: whiteoutFor }, change, now)
  }
  return existing?.ino
}

function checkReplace(source: Inode, target: Inode, newName: string): void {
  if (isDirectory(source) && !isDirectory(target)) {
    throw new FsError('ENOTDIR', `Cannot rename to "${newName}": the target is not a directory`)
  }
  if (!isDirectory(source) && isDirectory(target)) {
    throw new FsError('EISDIR', `Cannot rename to "${newName}": the target is a directory`)
  }
  if (isDirectory(target) && target.entryCount > 0) {
    throw new FsError('ENOTEMPTY', `Cannot rename to "${newName}": the target is not empty`)
  }
}

/** A directory does not move into itself. The kernel sees to it too, for its own view. */
function checkMove(context: FsContext, source: Inode, newParent: Ino): void {
  if (!isDirectory(source)) return
  const passed = new Set<Ino>()
  for (let ino = newParent; ino !== ROOT_INO; ino = context.engine.inodes.get(ino).parent) {
    if (ino === source.ino) throw new FsError('EINVAL', 'Cannot move a directory into itself')
    if (passed.has(ino)) {
      throw new FsError('EIO', `The volume is damaged: directory ${ino} lies in itself`)
    }
    passed.add(ino)
  }
}

function exchange(context: FsContext, request: RenameRequest): void {
  const { parent, name, newParent, newName } = request
  const { engine } = context
  const first = getDirent(context, parent, name)
  const second = getDirent(context, newParent, newName)
  if (first.ino === second.ino) return
  const firstInode = engine.inodes.get(first.ino)
  const secondInode = engine.inodes.get(second.ino)
  checkMove(context, firstInode, newParent)
  checkMove(context, secondInode, parent)
  assertLosesName(context, parent, firstInode)
  assertLosesName(context, newParent, secondInode)
  const now = engine.clock()
  const change = engine.begin()
  // Each name keeps its place in the listing.
  context.files.touchName(parent, name)
  context.files.touchName(newParent, newName)
  putExchanged(change, parent, name, first.cookie, change.inode(second.ino), now)
  putExchanged(change, newParent, newName, second.cookie, change.inode(first.ino), now)
  if (parent !== newParent) {
    const moved = Number(isDirectory(secondInode)) - Number(isDirectory(firstInode))
    change.inode(parent).nlink += moved
    change.inode(newParent).nlink -= moved
  }
  engine.commit(change)
}

function putExchanged(
  change: Change,
  parent: Ino,
  name: string,
  cookie: number,
  draft: Inode,
  now: bigint,
): void {
  change.putDirent(parent, name, { ino: draft.ino, type: draft.mode & TYPE_MASK, cookie })
  draft.ctimeNs = now
  if (isDirectory(draft)) draft.parent = parent
  touchDirectory(change.inode(parent), now)
}
