/**
 * Groups: atomic files of one owner that bear the same `user.atomic.group` are published together,
 * whichever of them is published, in one commit.
 */
import { FsError } from '../errors.ts'
import { INODE_IN_GROUP, type Ino, type Inode, isAtomic, isIsolated } from '../store/inode.ts'
import { xattrKey } from '../store/keys.ts'
import { publish, publishAll } from '../txn/publish.ts'
import type { PublishOptions } from '../txn/publish-ops.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { type FsContext, whenRoom } from './context.ts'
import { assertMutable } from './protection.ts'

export const GROUP_NAME = 'user.atomic.group'

const LENGTH_MAX = 255

export function groupOf({ engine }: FsContext, { ino, flags }: Inode): string | undefined {
  if ((flags & INODE_IN_GROUP) === 0) return undefined
  const name = engine.store.metadata.get(xattrKey(ino, GROUP_NAME))
  return name === undefined ? undefined : Buffer.from(name).toString('latin1')
}

/** Enters a file into a group, or takes it out of its own if `name` is undefined. */
export async function setGroup(
  context: FsContext,
  ino: Ino,
  name: string | undefined,
): Promise<void> {
  if (name !== undefined && (name === '' || name.length > LENGTH_MAX)) {
    throw new FsError('EINVAL', `The name of a group has 1 to ${LENGTH_MAX} bytes`)
  }
  assertMutable(context.engine.inodes.get(ino))
  await whenRoom(context, () => {
    const change = context.engine.begin()
    const draft = change.inode(ino)
    if (name === undefined) {
      draft.flags &= ~INODE_IN_GROUP
      change.removeXattr(ino, GROUP_NAME)
    } else {
      change.putXattr(ino, GROUP_NAME, Buffer.from(name, 'latin1'))
      draft.flags |= INODE_IN_GROUP
    }
    draft.ctimeNs = context.engine.clock()
    context.engine.commit(change)
  })
}

/** Publishes what is staged of a file, and of all others of its group. */
export async function publishGroup(
  context: FsContext,
  file: FileState,
  options: PublishOptions,
): Promise<void> {
  const members = membersWith(context, file)
  if (members.length === 1) {
    await publish(context.engine, file, options)
    return
  }
  await publishTogether(context, members, options, file)
}

/**
 * Publishes files in one commit, with what the kernel has still cached of them. What it has of
 * `collected` is here already.
 */
export async function publishTogether(
  context: FsContext,
  files: readonly FileState[],
  options: PublishOptions,
  collected?: FileState,
): Promise<void> {
  await collect(
    context,
    files.filter((file) => file !== collected),
  )
  try {
    await publishAll(context.engine, files, options)
  } finally {
    for (const file of files) context.files.settle(file)
  }
}

/**
 * Has the kernel send what it has still cached of files. Only a handle that can write, or a mapping, which
 * keeps one, makes pages dirty, and Linux writes them back before it says that the handle is gone.
 *
 * syncfs(2) on the mount would send all at once. It does not do: what it waits for differs from one
 * kernel to the next, and it takes along what is dirty of every other file.
 */
async function collect(context: FsContext, files: readonly FileState[]): Promise<void> {
  const open = files.filter(({ ino }) => context.files.isOpen(ino) && context.references.has(ino))
  await context.kernel.collect(open.map(({ ino }) => ino))
}

/** The file, and those of its group that anything can be staged for. */
export function membersWith(context: FsContext, file: FileState): FileState[] {
  const { engine, files } = context
  const inode = engine.inodes.get(file.ino)
  const group = isAtomic(inode) && !isIsolated(inode) ? groupOf(context, inode) : undefined
  if (group === undefined) return [file]
  const others = files.all().filter((other) => {
    const found = other === file ? undefined : engine.inodes.find(other.ino)
    if (found === undefined || found.uid !== inode.uid || !isAtomic(found)) return false
    if (isIsolated(found)) return false
    if (context.transactions.areApart(file.ino, other.ino)) return false
    return groupOf(context, found) === group
  })
  return [file, ...others]
}
