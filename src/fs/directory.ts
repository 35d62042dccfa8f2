/**
 * Listing directories. A listing is taken when it begins and keeps its order; an entry's offset is
 * its cookie, which belongs to it for as long as it exists, so that a listing can be continued from
 * any offset in any later listing of the same directory.
 */
import { FsError } from '../errors.ts'
import { TYPE_DIRECTORY, isDirectory } from '../store/inode.ts'
import { showName } from '../show-name.ts'
import { direntGroup } from '../store/keys.ts'
import type { FsContext } from './context.ts'
import type { OpenDirectory } from './file-table.ts'
import { Listing } from './listing.ts'
import { findDirent } from './names.ts'
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
    // Before it is taken: it shows what there is now.
    directory.touched.clear()
    directory.entries = await list(context, directory.ino)
  }
  return stillThere(context, directory, directory.entries, offset)
}

/**
 * Leaves out what was removed or replaced since the listing was taken: the kernel would believe
 * READDIRPLUS, and go on showing the old file under that name.
 */
function* stillThere(
  context: FsContext,
  { ino, touched }: OpenDirectory,
  entries: Listing,
  offset: number,
): Generator<DirectoryEntry, void> {
  for (let place = entries.firstBehind(offset); place < entries.count; place++) {
    const entry = entries.entry(place)
    const isSame = (): boolean => findDirent(context, ino, entry.name)?.ino === entry.ino
    if (!touched.has(entry.name) || isSame()) yield entry
  }
}

async function list(context: FsContext, ino: Ino): Promise<Listing> {
  const { parent } = context.engine.inodes.get(ino)
  const prefix = direntGroup(ino)
  // One damaged entry does not hide the others; looking it up is EIO.
  const onDamaged = (key: string): void => {
    const what = `the entry "${showName(key.slice(prefix.length))}" of the directory is damaged`
    context.engine.damaged({ ino, offset: 0, block: undefined, what })
  }
  const listing = new Listing()
  listing.add('.', ino, TYPE_DIRECTORY, DOT_COOKIE)
  listing.add('..', parent, TYPE_DIRECTORY, DOT_DOT_COOKIE)
  const take = (key: string, body: Uint8Array): void => {
    listing.addDirent(key.slice(prefix.length), body)
  }
  await context.engine.store.metadata.each(prefix, take, onDamaged)
  return listing.finish()
}
