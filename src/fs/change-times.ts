/**
 * The time of change of a file that was changed by a call of which the kernel does not know that it changes
 * anything, as chattr(1)'s. While the kernel caches writes it keeps this time by itself and takes no
 * other from an answer. So it is had to set it once more, behind the answer to the call, during which it
 * holds its lock of the inode; what it sets is taken over here. Until then stat(2) waits, and what is said
 * of the file otherwise is not to be kept.
 *
 * That is a commit of its own, of one inode, behind the one of the change. A crash before it leaves the change
 * with the time that was given to it here; one after it, with the kernel's, which is later.
 */
import { type Ino, isFile } from '../store/inode.ts'
import { getAttributes } from './attributes.ts'
import { type FsContext, whenRoom } from './context.ts'
import type { Attributes, Awaitable } from './operations.ts'

/** Has the kernel take that an inode has changed. Requires: it does so within a call that it has sent. */
export function showChange(context: FsContext, ino: Ino): void {
  const { kernel, changeTimes, engine } = context
  kernel.dropAttributes(ino)
  if (kernel.ownsAttributes !== true || kernel.moveChangeTime === undefined) return
  if (!isFile(engine.inodes.get(ino))) return
  const { atimeNs } = engine.inodes.get(ino)
  changeTimes.begin(ino, async () => {
    await kernel.moveChangeTime?.({ ino, atimeNs }, (ctimeNs) => takeOver(context, ino, ctimeNs))
  })
}

function takeOver(context: FsContext, ino: Ino, ctimeNs: bigint): Awaitable<Attributes> {
  context.engine.hearTime(ctimeNs)
  return whenRoom(context, () => {
    const change = context.engine.begin()
    change.inode(ino).ctimeNs = ctimeNs
    context.engine.commit(change)
    return getAttributes(context, ino)
  })
}
