/** Publishing several files by name, in one commit. */
import { FsError } from '../errors.ts'
import { type Ino, TYPE_MASK, TYPE_SYMLINK, isDirectory, isFile } from '../store/inode.ts'
import type { FsContext } from './context.ts'
import { assertNoTransaction, closedArePublished } from './durable.ts'
import { membersWith, publishTogether } from './groups.ts'
import { dropSettled, meantViews } from './isolation.ts'
import { getDirent } from './names.ts'
import type { Caller } from './operations.ts'
import { MAY, assertMay } from './permission.ts'

/**
 * Publishes the files that `names` names, one on each line, by paths relative to a directory, with all
 * others of their groups; durable when it resolves. All of them or, if it throws, none. Throws FsError EINVAL, ENOENT, ENOTDIR, ELOOP
 * for a symbolic link, EACCES for what the caller may not write, EBUSY in a transaction.
 */
export async function commitFiles(
  context: FsContext,
  directory: Ino,
  names: string,
  caller: Caller | undefined,
): Promise<void> {
  const paths = names.split('\n').filter((path) => path !== '')
  if (paths.length === 0) {
    throw new FsError('EINVAL', 'The value has the names of the files to commit, one on each line')
  }
  const inos = new Set(paths.map((path) => resolve(context, directory, path, caller)))
  const { engine, files } = context
  engine.health.assertDurable()
  await closedArePublished(context)
  const named = [...inos].flatMap((ino) => meantViews(context, files.file(ino), caller))
  const wanted = [...new Set(named.flatMap((view) => membersWith(context, view)))]
  for (const view of wanted) assertNoTransaction(view)
  await publishTogether(context, wanted, { soon: true })
  for (const ino of inos) dropSettled(context, files.file(ino))
  if (!engine.journal.isDurable) await engine.journal.flush()
}

/** The file at a path below a directory. No link is followed, so nothing outside is reached. */
function resolve(context: FsContext, directory: Ino, path: string, caller?: Caller): Ino {
  const names = path.split('/').filter((name) => name !== '.')
  if (names.some((name) => name === '' || name === '..')) {
    throw new FsError('EINVAL', `"${path}" is not a path below the folder`)
  }
  let ino = directory
  for (const name of names) {
    // The kernel has seen that the first of them may be written, not that it may be searched.
    assertSearchable(context, ino, path, caller)
    ino = getDirent(context, ino, name).ino
  }
  const inode = context.engine.inodes.get(ino)
  if (!isFile(inode)) throw new FsError('EINVAL', `"${path}" is not a regular file`)
  assertMay(context, inode, caller, MAY.WRITE)
  return ino
}

function assertSearchable(context: FsContext, ino: Ino, path: string, caller?: Caller): void {
  const inode = context.engine.inodes.get(ino)
  if ((inode.mode & TYPE_MASK) === TYPE_SYMLINK)
    throw new FsError('ELOOP', `"${path}" has a link in it`)
  if (!isDirectory(inode)) throw new FsError('ENOTDIR', `"${path}" goes through a file`)
  assertMay(context, inode, caller, MAY.EXECUTE)
}
