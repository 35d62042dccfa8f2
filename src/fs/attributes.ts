/** stat and its opposite: what an inode shows, and what chmod, chown, utimens and truncate change. */
import { FsError } from '../errors.ts'
import {
  INODE_HAS_XATTRS,
  type Ino,
  type Inode,
  isDirectory,
  isFile,
  isIsolated,
} from '../store/inode.ts'
import type { Change } from '../txn/change.ts'
import { stageTruncate } from '../txn/stage.ts'
import type { FileState, ShadowFork } from '../txn/shadow-fork.ts'
import { followMode } from './acl-xattrs.ts'
import { assertAlive } from './alive.ts'
import { afterTruncateByName } from './close-policy.ts'
import { type FsContext, whenRoom } from './context.ts'
import { forksOf, truncateByName, whenClosed } from './isolation.ts'
import type { AttributeChanges, Attributes, Awaitable, Caller, FileHandle } from './operations.ts'
import { assertAttributesMutable } from './protection.ts'

const SECTORS_PER_BLOCK = 8
const SET_USER_ID = 0o4000
const SET_GROUP_ID = 0o2000
const GROUP_EXECUTE = 0o010
const MODE_BITS = 0o7777
const CAPABILITY = 'security.capability'

function toAttributes(inode: Inode, fork?: ShadowFork): Attributes {
  return {
    ino: inode.ino,
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size: isDirectory(inode) ? 4096 : (fork?.size ?? inode.size + inode.target.length),
    sectors: isDirectory(inode) ? SECTORS_PER_BLOCK : blocksShown(inode, fork) * SECTORS_PER_BLOCK,
    atimeNs: inode.atimeNs,
    mtimeNs: fork?.mtimeNs ?? inode.mtimeNs,
    ctimeNs: inode.ctimeNs,
    btimeNs: inode.btimeNs,
  }
}

function blocksShown(inode: Inode, fork: ShadowFork | undefined): number {
  if (fork === undefined) return inode.blockCount
  const published = fork.freshMap ? 0 : Math.min(inode.blockCount, fork.cutBlock)
  const staged = [...fork.pages.values()].filter((page) => page.reserved).length
  return published + staged + fork.spilledCount
}

/**
 * What stat(2) shows to a caller. An isolated file is as it is published, but to a process that has
 * staged something as it has staged it.
 */
export function getAttributes(context: FsContext, ino: Ino, caller?: Caller): Attributes {
  const inode = context.engine.inodes.get(ino)
  const file = context.files.find(ino)
  if (!isFile(inode) || !isIsolated(inode)) return toAttributes(inode, file?.shadow)
  const own = file === undefined || caller === undefined ? [] : forksOf(context, file, caller)
  return { ...toAttributes(inode, own.length === 1 ? own[0] : undefined), isVolatile: true }
}

export function setAttributes(
  context: FsContext,
  ino: Ino,
  changes: AttributeChanges,
): Awaitable<Attributes> {
  context.engine.health.assertWritable()
  assertAttributesMutable(context.engine.inodes.get(ino), changes)
  assertAlive(context, ino)
  if (changes.size !== undefined) return truncateFirst(context, ino, changes, changes.size)
  return changeRest(context, ino, changes)
}

async function truncateFirst(
  context: FsContext,
  ino: Ino,
  changes: AttributeChanges,
  size: number,
): Promise<Attributes> {
  const inode = context.engine.inodes.get(ino)
  if (!isFile(inode)) throw new FsError('EINVAL', `Cannot truncate inode ${ino}: it is not a file`)
  if (changes.fh === undefined && isIsolated(inode)) {
    await whenClosed(context, ino)
    await truncateByName(context, ino, size)
  } else {
    const file = changes.fh === undefined ? context.files.file(ino) : viewOf(context, changes.fh)
    await truncate(context, file, size)
    if (changes.fh === undefined) await afterTruncateByName(context, file)
    context.files.settle(file)
  }
  context.kernelAttributes.changed(ino, { size, ...mtimeOf(changes) })
  const { size: _done, ...rest } = changes
  const answer = await changeRest(context, ino, rest)
  // The kernel takes the size that it is answered, and each handle has its own.
  return isIsolated(inode) ? { ...answer, size } : answer
}

const mtimeOf = ({ mtime }: AttributeChanges): { mtimeNs?: bigint } =>
  typeof mtime === 'bigint' ? { mtimeNs: mtime } : {}

const viewOf = ({ files }: FsContext, fh: FileHandle): FileState => files.handle(fh).view

/** Stages a size, waiting for a publish that is under way. */
export async function truncate(context: FsContext, file: FileState, size: number): Promise<void> {
  const release = await file.lock.acquire()
  try {
    stageTruncate(context.engine, file, size)
  } finally {
    release()
  }
}

function changeRest(
  context: FsContext,
  ino: Ino,
  changes: AttributeChanges,
): Awaitable<Attributes> {
  if (typeof changes.mtime === 'bigint') {
    context.kernelAttributes.changed(ino, { mtimeNs: changes.mtime })
  }
  if (isWrittenBackTimes(changes)) {
    // The kernel writes its times back with the content, so they belong to the same commit.
    const isIsolatedFile = isIsolated(context.engine.inodes.get(ino))
    const isOwn = isIsolatedFile && changes.fh !== undefined
    const file = isOwn ? viewOf(context, changes.fh) : context.files.find(ino)
    const fork = file?.shadow
    if (fork !== undefined && typeof changes.mtime === 'bigint') {
      fork.mtimeNs = changes.mtime
      return getAttributes(context, ino)
    }
    // Nothing is published by what the kernel does when it opens an isolated file.
    if (isOwn) return getAttributes(context, ino)
  }
  if (!changesInode(changes)) return getAttributes(context, ino)
  return whenRoom(context, () => {
    const change = context.engine.begin()
    const draft = change.inode(ino)
    applyChanges(change, draft, changes, context.engine.clock())
    if (changes.mode !== undefined) followMode(context, change, draft)
    context.engine.commit(change)
    // A time set by hand is newer than what was staged before it, so publishing keeps it.
    const fork = context.files.find(ino)?.shadow
    if (fork !== undefined && changes.mtime !== undefined) fork.mtimeNs = draft.mtimeNs
    return getAttributes(context, ino)
  })
}

/** Modification and change time and nothing else: what writing back a cached file brings. */
function isWrittenBackTimes(changes: AttributeChanges): boolean {
  return (
    typeof changes.mtime === 'bigint' &&
    changes.ctime !== undefined &&
    changes.atime === undefined &&
    changes.mode === undefined &&
    changes.uid === undefined &&
    changes.gid === undefined &&
    changes.killPrivileges !== true
  )
}

function changesInode(changes: AttributeChanges): boolean {
  const { fh: _fh, ...rest } = changes
  return Object.values(rest).some((value) => value !== undefined && value !== false)
}

function applyChanges(change: Change, draft: Inode, changes: AttributeChanges, now: bigint): void {
  const { mode, uid, gid, atime, mtime, ctime } = changes
  if (mode !== undefined) draft.mode = (draft.mode & ~MODE_BITS) | (mode & MODE_BITS)
  const isOwnerChange = uid !== undefined || gid !== undefined
  if (uid !== undefined) draft.uid = uid
  if (gid !== undefined) draft.gid = gid
  if (changes.killPrivileges === true || (isOwnerChange && mode === undefined && isFile(draft))) {
    killPrivileges(change, draft)
  }
  if (atime !== undefined) draft.atimeNs = atime === 'now' ? now : atime
  if (mtime !== undefined) draft.mtimeNs = mtime === 'now' ? now : mtime
  draft.ctimeNs = ctime ?? now
}

/** A change of content or owner ends what the file was trusted to do. */
export function killPrivileges(change: Change, draft: Inode): void {
  draft.mode &= ~SET_USER_ID
  if ((draft.mode & GROUP_EXECUTE) !== 0) draft.mode &= ~SET_GROUP_ID
  if ((draft.flags & INODE_HAS_XATTRS) !== 0) change.removeXattr(draft.ino, CAPABILITY)
}

/** Whether `killPrivileges` would change anything worth a commit. */
export function hasPrivileges(inode: Inode): boolean {
  return (inode.mode & (SET_USER_ID | SET_GROUP_ID)) !== 0 || (inode.flags & INODE_HAS_XATTRS) !== 0
}
