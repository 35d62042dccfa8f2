/** F7, F24: the inode records. */
import {
  type Inode,
  ROOT_INO,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_MASK,
  TYPE_SYMLINK,
  decodeInode,
} from '../store/inode.ts'
import { u64FromKey } from '../store/keys.ts'
import { COLUMN, type InodeTable } from './inode-table.ts'
import type { VolumeView } from './volume-view.ts'

/** Pipes, character devices, block devices and sockets. */
const OTHER_TYPES = [0o010000, 0o020000, 0o060000, 0o140000]
const TYPES: ReadonlySet<number> = new Set([
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SYMLINK,
  ...OTHER_TYPES,
])

/** Fills the table. */
export async function checkInodes(view: VolumeView, table: InodeTable): Promise<void> {
  for await (const { key, body } of view.entries('I')) {
    if (key.length !== 9) continue
    const ino = u64FromKey(key, 1)
    const inode = view.decode(key, body, (bytes) => decodeInode(ino, bytes))
    if (inode === undefined) continue
    remember(table, inode)
    checkInode(view, inode)
  }
  if (table.find(ROOT_INO) === undefined) view.sink('F7', 'error', 'the root does not exist')
}

function remember(table: InodeTable, inode: Inode): void {
  const row = table.add(inode.ino)
  table.set(row, COLUMN.mode, inode.mode)
  table.set(row, COLUMN.nlink, inode.nlink)
  table.set(row, COLUMN.flags, inode.flags)
  table.set(row, COLUMN.generation, inode.mapGeneration)
  table.set(row, COLUMN.size, inode.size)
  table.set(row, COLUMN.blockCount, inode.blockCount)
  table.set(row, COLUMN.parent, inode.parent)
  table.set(row, COLUMN.entryCount, inode.entryCount)
  table.set(row, COLUMN.cookieNext, inode.cookieNext)
}

function checkInode({ sink, marker, nextIno }: VolumeView, inode: Inode): void {
  const { ino } = inode
  const type = inode.mode & TYPE_MASK
  const report = (text: string): void => {
    sink('F7', 'error', text, ino)
  }
  if (ino === 0) report('is inode 0, which does not exist')
  if (!TYPES.has(type)) report(`has type ${type.toString(8)}, which does not exist`)
  if (ino === ROOT_INO && (type !== TYPE_DIRECTORY || inode.nlink === 0)) {
    report('is the root, but not a directory with links')
  }
  if (type !== TYPE_FILE && (inode.size > 0 || inode.blockCount > 0)) {
    report(`is no file, and has ${inode.size} bytes in ${inode.blockCount} blocks`)
  }
  if (type !== TYPE_DIRECTORY && inode.entryCount > 0) {
    report(`is no directory, and counts ${inode.entryCount} entries`)
  }
  if ((type === TYPE_SYMLINK) !== inode.target.length > 0) {
    report(
      type === TYPE_SYMLINK
        ? 'is a symbolic link that leads nowhere'
        : 'has a target, and is no symbolic link',
    )
  }
  if (marker !== undefined && ino >= nextIno) {
    sink('F24', 'error', `exists, and the next new inode would be ${nextIno}`, ino)
  }
}

export function isDirectoryRow(table: InodeTable, row: number): boolean {
  return (table.get(row, COLUMN.mode) & TYPE_MASK) === TYPE_DIRECTORY
}
