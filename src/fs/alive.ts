import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import type { FsContext } from './context.ts'

/**
 * Throws FsError ESTALE for an inode that does not exist or is being freed: it has no name, and
 * nobody knows it. What was changed of it now could be left over.
 */
export function assertAlive({ engine, references, files }: FsContext, ino: Ino): void {
  if (engine.inodes.get(ino).nlink > 0 || references.has(ino) || files.isOpen(ino)) return
  throw new FsError('ESTALE', `Inode ${ino} was removed`)
}
