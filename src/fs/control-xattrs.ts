/**
 * The control interface: extended attributes `user.atomic…` that every file has without storing
 * them. Only `user.atomic` and `user.atomic.onclose` are listed, and only when they are set, so that
 * copying a file with its attributes carries the choice and nothing else.
 */
import { FsError } from '../errors.ts'
import {
  FILE_SIZE_MAX,
  INODE_ATOMIC,
  INODE_ISOLATED,
  INODE_ON_CLOSE_DISCARD,
  INODE_ON_CLOSE_KEEP,
  type Ino,
  type Inode,
  isAtomic,
  isDirectory,
  isFile,
  isIsolated,
} from '../store/inode.ts'
import type { Change } from '../txn/change.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { assertAlive } from './alive.ts'
import { commitFiles } from './commit-files.ts'
import { type FsContext, whenRoom } from './context.ts'
import { assertNoTransaction, publishDurably } from './durable.ts'
import { GROUP_NAME, groupOf, publishGroup, setGroup } from './groups.ts'
import { discardView, forEachMeantView, viewsOf, whenClosed } from './isolation.ts'
import type { Caller } from './operations.ts'
import { assertMutable } from './protection.ts'
import { rollback } from './rollback.ts'
import { SCRUB_NAME, getScrub, setScrub } from './scrub-control.ts'

const PREFIX = 'user.atomic'
const CONTROL_NAMES = [
  '',
  '.onclose',
  '.state',
  '.limits',
  '.commit',
  '.rollback',
  '.scrub',
  '.group',
].map((suffix) => PREFIX + suffix)
const ON_CLOSE = ['publish', 'discard', 'keep'] as const
type OnClose = (typeof ON_CLOSE)[number]

export const isControlName = (name: string): boolean =>
  name === PREFIX || name.startsWith(`${PREFIX}.`)

/** The value of a control attribute. Throws FsError ENODATA or EINVAL. */
export async function getControl(
  context: FsContext,
  ino: Ino,
  name: string,
  caller?: Caller,
): Promise<string> {
  await whenClosed(context, ino)
  const inode = context.engine.inodes.get(ino)
  switch (name) {
    case 'user.atomic':
      if (!isAtomic(inode)) throw noData(name)
      return isIsolated(inode) ? 'isolated' : '1'
    case 'user.atomic.onclose':
      if (onCloseOf(inode) === 'publish') throw noData(name)
      return onCloseOf(inode)
    case 'user.atomic.state':
      return describeState(context, inode, caller)
    case 'user.atomic.limits':
      return describeLimits(context)
    case SCRUB_NAME:
      return getScrub(context, ino)
    case GROUP_NAME: {
      const group = groupOf(context, inode)
      if (group === undefined) throw noData(name)
      return group
    }
    case 'user.atomic.commit':
    case 'user.atomic.rollback':
      throw new FsError('ENODATA', `${name} can only be set`)
    default:
      throw unknownName(name)
  }
}

export function listControls(inode: Inode): string[] {
  const names: string[] = []
  if (isAtomic(inode)) names.push('user.atomic')
  if (onCloseOf(inode) !== 'publish') names.push('user.atomic.onclose')
  return names
}

/** Sets a control attribute, or does what its name says. Throws FsError EINVAL or EOPNOTSUPP. */
export async function setControl(
  context: FsContext,
  ino: Ino,
  name: string,
  raw: string,
  caller?: Caller,
): Promise<void> {
  const value = raw.trimEnd()
  if (name === SCRUB_NAME) {
    // Also of a volume that is read-only.
    setScrub(context, ino, value, caller)
    return
  }
  context.engine.health.assertWritable()
  assertAlive(context, ino)
  await whenClosed(context, ino)
  const inode = context.engine.inodes.get(ino)
  switch (name) {
    case 'user.atomic':
      await setAtomic(context, inode, value)
      break
    case 'user.atomic.onclose':
      await setOnClose(context, inode, value)
      break
    case 'user.atomic.commit':
      if (isDirectory(inode)) await commitFiles(context, ino, raw, caller)
      else await commitFile(context, inode, caller)
      break
    case 'user.atomic.rollback':
      assertFile(inode, name)
      await rollbackFile(context, inode, caller)
      break
    case GROUP_NAME:
      assertFile(inode, name)
      assertNoTransactionOf(context, ino)
      await setGroup(context, ino, value)
      break
    case 'user.atomic.state':
    case 'user.atomic.limits':
      throw new FsError('EPERM', `${name} can only be read`)
    default:
      throw unknownName(name)
  }
}

export async function removeControl(context: FsContext, ino: Ino, name: string): Promise<void> {
  const inode = context.engine.inodes.get(ino)
  if (!CONTROL_NAMES.includes(name)) throw unknownName(name)
  if (name === GROUP_NAME) {
    if (groupOf(context, inode) === undefined) throw noData(name)
    await setGroup(context, ino, undefined)
    return
  }
  if (!listControls(inode).includes(name)) throw noData(name)
  await setControl(context, ino, name, name === 'user.atomic' ? '0' : 'publish')
}

const ATOMIC_FLAGS: ReadonlyMap<string, number> = new Map([
  ['0', 0],
  ['1', INODE_ATOMIC],
  ['shared', INODE_ATOMIC],
  ['isolated', INODE_ATOMIC | INODE_ISOLATED],
])
const ATOMIC_MASK = INODE_ATOMIC | INODE_ISOLATED

async function setAtomic(context: FsContext, inode: Inode, value: string): Promise<void> {
  assertFileOrDirectory(inode, 'user.atomic')
  const flags = ATOMIC_FLAGS.get(value)
  if (flags === undefined) {
    throw new FsError('EINVAL', `user.atomic is 0, 1, shared or isolated, not "${value}"`)
  }
  assertMutable(inode)
  if (flags === (inode.flags & ATOMIC_MASK)) return
  const set = (change: Change): void => {
    const draft = change.inode(inode.ino)
    draft.flags = (draft.flags & ~ATOMIC_MASK) | flags
    draft.ctimeNs = context.engine.clock()
  }
  if (!isFile(inode)) {
    await changeFlags(context, set)
    return
  }
  const changesIsolation = ((inode.flags ^ flags) & INODE_ISOLATED) !== 0
  if (changesIsolation) await assertNotOpen(context, inode.ino)
  // What was written before opting in or out is published in the same commit.
  await context.kernel.invalidate(inode.ino)
  const file = context.files.file(inode.ino)
  const publishing = publishGroup(context, file, {
    soon: false,
    also: (change) => {
      if (changesIsolation && isInUse(context, file)) throw inUse(inode.ino)
      set(change)
    },
  })
  await publishing.finally(() => {
    context.files.settle(file)
  })
  // What the kernel has learned before now it was told to keep.
  if (changesIsolation) await context.kernel.invalidate(inode.ino)
}

/** Handles are either isolated or share what is staged, from the moment they are opened. */
async function assertNotOpen(context: FsContext, ino: Ino): Promise<void> {
  const file = context.files.find(ino)
  if (file === undefined) return
  // close(2) does not wait until a handle is gone.
  await Promise.all(context.files.handlesOf(file).map(async ({ releasing }) => releasing))
  if (isInUse(context, file)) throw inUse(ino)
}

function isInUse({ files }: FsContext, file: FileState): boolean {
  return files.isOpen(file.ino) || files.leftOf(file).length > 0
}

function inUse(ino: Ino): FsError {
  return new FsError(
    'EBUSY',
    `Inode ${ino} is open, or has staged what a closed handle has left: isolation begins and ends ` +
      'when nobody has the file open',
  )
}

function assertNoTransactionOf({ files }: FsContext, ino: Ino): void {
  const file = files.find(ino)
  if (file !== undefined) assertNoTransaction(file)
}

async function setOnClose(context: FsContext, inode: Inode, value: string): Promise<void> {
  assertFileOrDirectory(inode, 'user.atomic.onclose')
  const choice = ON_CLOSE.find((known) => known === value)
  if (choice === undefined) {
    throw new FsError('EINVAL', `user.atomic.onclose is ${ON_CLOSE.join(', ')}, not "${value}"`)
  }
  assertMutable(inode)
  await changeFlags(context, (change) => {
    const draft = change.inode(inode.ino)
    draft.flags &= ~(INODE_ON_CLOSE_DISCARD | INODE_ON_CLOSE_KEEP)
    if (choice === 'discard') draft.flags |= INODE_ON_CLOSE_DISCARD
    if (choice === 'keep') draft.flags |= INODE_ON_CLOSE_KEEP
    draft.ctimeNs = context.engine.clock()
  })
}

async function changeFlags(context: FsContext, set: (change: Change) => void): Promise<void> {
  await whenRoom(context, () => {
    const change = context.engine.begin()
    set(change)
    context.engine.commit(change)
  })
}

async function commitFile(context: FsContext, inode: Inode, caller?: Caller): Promise<void> {
  assertFile(inode, 'user.atomic.commit')
  const file = context.files.file(inode.ino)
  if (isIsolated(inode)) {
    await forEachMeantView(context, file, caller, async (view) => {
      assertNoTransaction(view)
      await publishDurably(context, view)
    })
    return
  }
  assertNoTransaction(file)
  await context.kernel.invalidate(inode.ino)
  await publishDurably(context, file)
}

async function rollbackFile(context: FsContext, inode: Inode, caller?: Caller): Promise<void> {
  const file = context.files.file(inode.ino)
  if (!isIsolated(inode)) {
    await rollback(context, file)
    return
  }
  await forEachMeantView(context, file, caller, async (view) =>
    discardView(context, view, 'rolled back'),
  )
}

async function describeState(context: FsContext, before: Inode, caller?: Caller): Promise<string> {
  const { ino } = before
  const open = context.files.find(ino)
  // A close does not wait for its discard, so this is how to learn that it is over, and seen to be.
  await open?.discarding?.catch(() => undefined)
  // Bytes that only the kernel has yet are staged too, as far as a program can tell.
  if (open !== undefined && context.files.writerCount(open) > 0 && !isIsolated(before)) {
    await context.kernel.invalidate(ino)
  }
  const inode = context.engine.inodes.get(ino)
  const file = context.files.find(ino)
  const views =
    file === undefined ? [] : isIsolated(inode) ? viewsOf(context, file, caller) : [file]
  const forks = views.flatMap(({ shadow }) => shadow ?? [])
  const bases = views.map(({ shadow, base }) => shadow?.baseSeq ?? base?.commitSeq ?? Infinity)
  const baseSeq = Math.min(inode.commitSeq, ...bases)
  const broken = forks.find((fork) => fork.broken !== undefined)?.broken
  const lines = [
    `state=${forks.length === 0 ? 'clean' : 'staged'}`,
    `staged_bytes=${forks.reduce((sum, { stagedBytes }) => sum + stagedBytes, 0)}`,
    `published_seq=${inode.commitSeq}`,
    `base_seq=${baseSeq}`,
  ]
  const savepoints = views.flatMap(({ transaction }) => transaction?.savepoints ?? [])
  if (savepoints.length > 0) lines.push(`savepoints=${savepoints.length}`)
  if (broken !== undefined) lines.push(`broken=${broken.code}`)
  return `${lines.join('\n')}\n`
}

function describeLimits(context: FsContext): string {
  const { store, health } = context.engine
  const { allocator, device } = store
  const freeBytes = allocator.availableCount * 4096 + device.blocks.hostFreeBytes()
  return `${[
    `transaction_bytes_max=${freeBytes}`,
    `write_bytes_max=${FILE_SIZE_MAX}`,
    'alignment=1',
    `reservation_free_bytes=${freeBytes}`,
    `read_only=${health.readOnly || health.failed ? 1 : 0}`,
  ].join('\n')}\n`
}

function onCloseOf(inode: Inode): OnClose {
  if ((inode.flags & INODE_ON_CLOSE_DISCARD) !== 0) return 'discard'
  return (inode.flags & INODE_ON_CLOSE_KEEP) !== 0 ? 'keep' : 'publish'
}

function assertFile(inode: Inode, name: string): void {
  if (!isFile(inode)) throw new FsError('EINVAL', `${name} belongs to regular files`)
}

function assertFileOrDirectory(inode: Inode, name: string): void {
  if (!isFile(inode) && !isDirectory(inode)) {
    throw new FsError('EPERM', `${name} belongs to regular files and directories`)
  }
}

const noData = (name: string): FsError => new FsError('ENODATA', `${name} is not set`)

const unknownName = (name: string): FsError =>
  new FsError('EINVAL', `${name} is not an attribute of this filesystem`)
