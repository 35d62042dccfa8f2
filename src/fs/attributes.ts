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
import { currentSize } from '../txn/read.ts'
import { stageTruncate } from '../txn/stage.ts'
import type { FileState, ShadowFork } from '../txn/shadow-fork.ts'
import { followMode } from './acl-xattrs.ts'
import { assertAlive } from './alive.ts'
import { afterTruncateByName } from './close-policy.ts'
import { type FsContext, whenRoom } from './context.ts'
import { Identity } from './identity.ts'
import { forksOf, truncateByName, whenClosed } from './isolation.ts'
import type { AttributeChanges, Attributes, Awaitable, Caller, FileHandle } from './operations.ts'
import type { Processes } from './processes.ts'
import { assertAttributesMutable } from './protection.ts'

const SECTORS_PER_BLOCK = 8
const SET_USER_ID = 0o4000
const SET_GROUP_ID = 0o2000
const GROUP_EXECUTE = 0o010
const MODE_BITS = 0o7777
export const CAPABILITY = 'security.capability'

/** Who is neither root nor of any group of interest. */
export const NOBODY: Caller = { uid: 0xffff_fffe, gid: 0xffff_fffe, pid: 0 }

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
    ctimeNs: fork !== undefined && fork.ctimeNs > inode.ctimeNs ? fork.ctimeNs : inode.ctimeNs,
    btimeNs: inode.btimeNs,
  }
}

function blocksShown(inode: Inode, fork: ShadowFork | undefined): number {
  if (fork === undefined) return inode.blockCount
  let count = inode.blockCount
  for (const each of [...fork.chain()].toReversed()) {
    const below = each.freshMap ? 0 : Math.min(count, each.cutBlock)
    const staged = [...each.pages.values()].filter((page) => page.reserved).length
    count = below + staged + each.spilledCount
  }
  return count
}

/** Under way while the kernel, which owns sizes and times, still has to learn what they are. */
export function kernelLearns(
  { files, changeTimes }: FsContext,
  ino: Ino,
): Promise<void> | undefined {
  const resizing = files.find(ino)?.resizing
  const changing = changeTimes.find(ino)
  if (resizing === undefined) return changing
  return changing === undefined ? resizing : resizing.then(async () => changing)
}

/**
 * What stat(2) shows to a caller. An isolated file is as it is published, but to a process that has
 * staged something as it has staged it.
 */
export function getAttributes(context: FsContext, ino: Ino, caller?: Caller): Attributes {
  const inode = context.engine.inodes.get(ino)
  const file = context.files.find(ino)
  if (!isFile(inode) || !isIsolated(inode)) {
    const attributes = toAttributes(inode, file?.shadow)
    // Who cannot wait until the kernel has the size must not have it trust what it has.
    return kernelLearns(context, ino) === undefined
      ? attributes
      : { ...attributes, isVolatile: true }
  }
  const own = file === undefined || caller === undefined ? [] : forksOf(context, file, caller)
  return { ...toAttributes(inode, own.length === 1 ? own[0] : undefined), isVolatile: true }
}

export function setAttributes(
  context: FsContext,
  ino: Ino,
  changes: AttributeChanges,
  caller: Caller = NOBODY,
): Awaitable<Attributes> {
  context.engine.health.assertWritable()
  assertAttributesMutable(context.engine.inodes.get(ino), changes)
  assertAlive(context, ino)
  context.transactions.assertNotReplaced(ino)
  if (changes.ctime !== undefined) context.engine.hearTime(changes.ctime)
  const { size, ...rest } = changes
  if (size !== undefined) return truncateFirst(context, ino, size, rest, caller)
  return changeRest(
    context,
    ino,
    namesNothing(changes) ? touching(context, ino, changes, caller) : changes,
    caller,
  )
}

/**
 * The kernel passes two calls on without naming anything to change: chown(2) to nobody in particular,
 * with a time if it keeps times itself, and the loss of privileges when a file is written, which root
 * is exempt from.
 */
function touching(
  { engine, processes }: FsContext,
  ino: Ino,
  { ctime }: AttributeChanges,
  caller: Caller,
): AttributeChanges {
  if (ctime !== undefined) return { ctime, killPrivileges: true }
  const isExempt = new Identity(processes, caller).has('FSETID', engine.inodes.get(ino))
  return isExempt ? { touch: true } : { killPrivileges: true }
}

function namesNothing({ ctime: _ctime, ...changes }: AttributeChanges): boolean {
  return Object.values(changes).every((value) => value === undefined)
}

async function truncateFirst(
  context: FsContext,
  ino: Ino,
  size: number,
  rest: AttributeChanges,
  caller: Caller,
): Promise<Attributes> {
  const inode = context.engine.inodes.get(ino)
  if (!isFile(inode)) throw new FsError('EINVAL', `Cannot truncate inode ${ino}: it is not a file`)
  const isNamed = rest.fh === undefined
  const ownsSize = isIsolated(inode)
  if (ownsSize && isNamed) {
    await whenClosed(context, ino)
    await truncateByName(context, ino, size)
  } else {
    const file = isNamed ? context.files.file(ino) : viewOf(context, rest.fh)
    if (!ownsSize && size === currentSize(context.engine, file)) {
      // truncate(2) by name leaves the kernel's own idea of the times alone then, so ours too.
      const changed = isNamed ? {} : { mtime: 'now' as const }
      return changeRest(context, ino, { ...changed, ...rest }, caller)
    }
    await truncate(context, file, size)
    if (isNamed) await afterTruncateByName(context, file)
    context.files.settle(file)
  }
  context.kernelAttributes.changed(ino, { size, ...mtimeOf(rest) })
  const answer = await changeRest(context, ino, rest, caller)
  // The kernel takes the size that it is answered, and each handle has its own.
  return ownsSize ? { ...answer, size } : answer
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
  caller: Caller,
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
    if (fork !== undefined) {
      fork.mtimeNs = changes.mtime
      fork.ctimeNs = changes.ctime
      return getAttributes(context, ino)
    }
    // Nothing is published by what the kernel does when it opens an isolated file.
    if (isOwn) return getAttributes(context, ino)
  }
  if (!changesInode(changes)) return getAttributes(context, ino)
  return whenRoom(context, () => {
    const change = context.engine.begin()
    const draft = change.inode(ino)
    applyChanges(context, change, draft, changes, caller)
    if (changes.mode !== undefined) followMode(context, change, draft)
    context.engine.commit(change)
    // A time set by hand is newer than what was staged before it, so publishing keeps it.
    const fork = context.files.find(ino)?.shadow
    if (fork !== undefined && changes.mtime !== undefined) fork.mtimeNs = draft.mtimeNs
    // The kernel may go back here: the time of a chown is from before the xattr that goes with it.
    if (fork !== undefined && changes.ctime !== undefined) fork.ctimeNs = changes.ctime
    return getAttributes(context, ino)
  })
}

/** Modification and change time and nothing else: what writing back a cached file brings. */
function isWrittenBackTimes(
  changes: AttributeChanges,
): changes is AttributeChanges & { readonly mtime: bigint; readonly ctime: bigint } {
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

function applyChanges(
  context: FsContext,
  change: Change,
  draft: Inode,
  changes: AttributeChanges,
  caller: Caller,
): void {
  const { mode, uid, gid, atime, mtime, ctime } = changes
  const now = context.engine.clock()
  if (mode !== undefined) draft.mode = (draft.mode & ~MODE_BITS) | (mode & MODE_BITS)
  const isOwnerChange = uid !== undefined || gid !== undefined
  const endsTrust = changes.killPrivileges === true || (isOwnerChange && mode === undefined)
  if (endsTrust && !isDirectory(draft)) killPrivileges(context, change, draft, caller)
  if (uid !== undefined) draft.uid = uid
  if (gid !== undefined) draft.gid = gid
  if (atime !== undefined) draft.atimeNs = atime === 'now' ? now : atime
  if (mtime !== undefined) draft.mtimeNs = mtime === 'now' ? now : mtime
  draft.ctimeNs = ctime ?? now
}

/**
 * A change of content or owner ends what the file was trusted to do. Set-group-id without execution
 * by the group is no such trust, and stays for those who could set it again.
 */
export function killPrivileges(
  { processes }: FsContext,
  change: Change,
  draft: Inode,
  caller: Caller,
): void {
  draft.mode &= ~SET_USER_ID
  const isTrust = (draft.mode & GROUP_EXECUTE) !== 0
  if ((draft.mode & SET_GROUP_ID) !== 0 && (isTrust || !couldSet(processes, draft, caller))) {
    draft.mode &= ~SET_GROUP_ID
  }
  if ((draft.flags & INODE_HAS_XATTRS) !== 0) change.removeXattr(draft.ino, CAPABILITY)
}

function couldSet(processes: Processes, inode: Inode, caller: Caller): boolean {
  const identity = new Identity(processes, caller)
  return identity.isMember(inode.gid) || identity.has('FSETID', inode)
}

/** Whether `killPrivileges` would change anything worth a commit. */
export function hasPrivileges(inode: Inode): boolean {
  return (inode.mode & (SET_USER_ID | SET_GROUP_ID)) !== 0 || (inode.flags & INODE_HAS_XATTRS) !== 0
}
