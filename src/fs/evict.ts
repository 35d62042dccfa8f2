import type { Ino } from '../store/inode.ts'
import type { FsContext } from './context.ts'

/** Drops an inode from memory unless somebody still goes by it. */
export function evict({ engine, files, accessTimes, references }: FsContext, ino: Ino): void {
  if (references.has(ino) || files.isOpen(ino) || accessTimes.has(ino)) return
  engine.inodes.evict(ino)
}
