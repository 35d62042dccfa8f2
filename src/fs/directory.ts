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
import type { OpenDirectory } from './file-table.ts'
import { findDirent } from './names.ts'
import type { DirectoryEntry, FileHandle, Ino } from './operations.ts'

/** How many places for each entry an array may have in which they are sorted. */
const SPARSENESS_MAX = 8
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
  entries: readonly DirectoryEntry[],
  offset: number,
): Generator<DirectoryEntry, void> {
  for (let index = firstBehind(entries, offset); index < entries.length; index++) {
    const entry = entries[index]
    if (entry === undefined) return
    const isSame = (): boolean => findDirent(context, ino, entry.name)?.ino === entry.ino
    if (!touched.has(entry.name) || isSame()) yield entry
  }
}

async function list(context: FsContext, ino: Ino): Promise<readonly DirectoryEntry[]> {
  const { parent } = context.engine.inodes.get(ino)
  const prefix = direntGroup(ino)
  // One damaged entry does not hide the others; looking it up is EIO.
  const onDamaged = (key: string): void => {
    const what = `the entry "${showName(key.slice(prefix.length))}" of the directory is damaged`
    context.engine.damaged({ ino, offset: 0, block: undefined, what })
  }
  const entries: DirectoryEntry[] = [
    { name: '.', ino, type: TYPE_DIRECTORY, nextOffset: DOT_COOKIE },
    { name: '..', ino: parent, type: TYPE_DIRECTORY, nextOffset: DOT_DOT_COOKIE },
  ]
  const take = (key: string, body: Uint8Array): void => {
    const dirent = decodeDirent(body)
    const name = key.slice(prefix.length)
    entries.push({ name, ino: dirent.ino, type: dirent.type, nextOffset: dirent.cookie })
  }
  await context.engine.store.metadata.each(prefix, take, onDamaged)
  return inOrder(entries)
}

/**
 * Sorted by offset. Those are counted up, so mostly each has a place of its own in an array that is
 * not much longer, and a million of them need no comparing, for which everybody would wait.
 */
function inOrder(entries: readonly DirectoryEntry[]): readonly DirectoryEntry[] {
  const last = entries.reduce((highest, { nextOffset }) => Math.max(highest, nextOffset), 0)
  const byComparing = (): DirectoryEntry[] =>
    entries.toSorted((a, b) => a.nextOffset - b.nextOffset)
  if (last > SPARSENESS_MAX * entries.length) return byComparing()
  const places = Array.from<DirectoryEntry | undefined>({ length: last + 1 })
  for (const entry of entries) places[entry.nextOffset] = entry
  const sorted = places.filter((entry) => entry !== undefined)
  // Only in a damaged directory do two have the same.
  return sorted.length === entries.length ? sorted : byComparing()
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
