/**
 * Listing directories. A listing is taken when it begins and keeps its order; an entry's offset is
 * its cookie, which belongs to it for as long as it exists, so that a listing can be continued from
 * any offset in any later listing of the same directory.
 */
import { FsError } from '../errors.ts'
import { TYPE_DIRECTORY, decodeDirent, isDirectory } from '../store/inode.ts'
import { showName } from '../show-name.ts'
import { direntGroup } from '../store/keys.ts'
import type { FsContext } from './context.ts'
import type { DirectoryEntry, FileHandle, Ino } from './operations.ts'

const DOT_COOKIE = 1
const DOT_DOT_COOKIE = 2

export function openDirectory(context: FsContext, ino: Ino): FileHandle {
  if (!isDirectory(context.engine.inodes.get(ino))) {
    throw new FsError('ENOTDIR', `Inode ${ino} is not a directory`)
  }
  return context.files.openDirectory(ino)
}

export async function readDirectory(
  context: FsContext,
  fh: FileHandle,
  offset: number,
): Promise<Iterable<DirectoryEntry>> {
  const directory = context.files.directory(fh)
  // From the start: rewinddir(3) shows what has changed.
  if (offset === 0 || directory.entries === undefined) {
    context.accessTimes.touch(context.engine.inodes.get(directory.ino))
    directory.entries = await list(context, directory.ino)
  }
  const { entries } = directory
  return entries.slice(firstBehind(entries, offset))
}

async function list(context: FsContext, ino: Ino): Promise<DirectoryEntry[]> {
  const prefix = direntGroup(ino)
  // One damaged entry does not hide the others; looking it up is EIO.
  const onDamaged = (key: string): void => {
    const what = `the entry "${showName(key.slice(prefix.length))}" of the directory is damaged`
    context.engine.damaged({ ino, offset: 0, block: undefined, what })
  }
  const stored = await context.engine.store.metadata.scan(prefix, { onDamaged })
  const entries = stored.map(([key, body]): DirectoryEntry => {
    const dirent = decodeDirent(body)
    const name = key.slice(prefix.length)
    return { name, ino: dirent.ino, type: dirent.type, nextOffset: dirent.cookie }
  })
  const { parent } = context.engine.inodes.get(ino)
  return [
    { name: '.', ino, type: TYPE_DIRECTORY, nextOffset: DOT_COOKIE },
    { name: '..', ino: parent, type: TYPE_DIRECTORY, nextOffset: DOT_DOT_COOKIE },
    ...entries.toSorted((a, b) => a.nextOffset - b.nextOffset),
  ]
}

/** Index of the first entry behind an offset. */
function firstBehind(entries: readonly DirectoryEntry[], offset: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle]?.nextOffset ?? Infinity) <= offset) low = middle + 1
    else high = middle
  }
  return low
}
