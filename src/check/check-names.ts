/** F8, F12, F13: the entries of directories, which also count names and entries for the table. */
import { type Dirent, type Ino, ROOT_INO, TYPE_MASK, decodeDirent } from '../store/inode.ts'
import { GROUP_LENGTH, u64FromKey } from '../store/keys.ts'
import { isWellFormed } from '../store/describe-key.ts'
import { isDirectoryRow } from './check-inodes.ts'
import type { Sink } from './findings.ts'
import { COLUMN, type InodeTable } from './inode-table.ts'
import { showName } from '../show-name.ts'
import type { VolumeView } from './volume-view.ts'

const COOKIE_MIN = 3

export async function checkNames(view: VolumeView, table: InodeTable): Promise<void> {
  let cookies = new Cookies(view.sink, table, 0)
  for await (const { key, body } of view.entries('D')) {
    if (!isWellFormed(key)) continue
    const parent = u64FromKey(key, 1)
    if (parent !== cookies.parent) cookies = new Cookies(view.sink, table, parent)
    const name = key.slice(GROUP_LENGTH)
    const parentRow = checkParent(view.sink, table, parent, name)
    const dirent = view.decode(key, body, decodeDirent)
    if (dirent === undefined) continue
    cookies.add(name, dirent.cookie)
    checkChild(view.sink, table, { parent, parentRow, name, dirent })
  }
}

function checkParent(sink: Sink, table: InodeTable, parent: Ino, name: string): number | undefined {
  const shown = `has the entry "${showName(name)}"`
  if (name === '.' || name === '..' || /[/\0]/.test(name)) {
    sink('F8', 'error', `${shown}, which no name may be`, parent)
  }
  const row = table.find(parent)
  if (row === undefined) {
    sink('F8', 'error', `${shown}, and does not exist`, parent)
  } else if (!isDirectoryRow(table, row)) {
    sink('F8', 'error', `${shown}, and is no directory`, parent)
  } else if (table.get(row, COLUMN.nlink) === 0) {
    sink('F8', 'error', `${shown}, and was removed`, parent)
  }
  return row
}

interface Name {
  readonly parent: Ino
  readonly parentRow: number | undefined
  readonly name: string
  readonly dirent: Dirent
}

function checkChild(
  sink: Sink,
  table: InodeTable,
  { parent, parentRow, name, dirent }: Name,
): void {
  if (parentRow !== undefined) table.increment(parentRow, COLUMN.entries)
  const entry = `its entry "${showName(name)}" leads to inode ${dirent.ino}`
  const row = table.find(dirent.ino)
  if (row === undefined) {
    sink('F8', 'error', `${entry}, which does not exist`, parent)
    return
  }
  table.increment(row, COLUMN.names)
  if (parentRow !== undefined && table.get(row, COLUMN.foundParent) === 0) {
    table.set(row, COLUMN.foundParent, parentRow + 1)
  }
  const type = table.get(row, COLUMN.mode) & TYPE_MASK
  if (type !== dirent.type) sink('F8', 'error', `${entry}, which is of another type`, parent)
  if (table.get(row, COLUMN.nlink) === 0) {
    sink('F8', 'error', `${entry}, which has no links`, parent)
  }
  if (dirent.ino === ROOT_INO) sink('F8', 'error', `${entry}, which is the root`, parent)
  if (!isDirectoryRow(table, row)) return
  if (parentRow !== undefined) table.increment(parentRow, COLUMN.subdirectories)
  const said = table.get(row, COLUMN.parent)
  if (said !== parent) {
    sink('F13', 'error', `has its name in inode ${parent}, and says ${said}`, dirent.ino)
  }
}

/** Those of one directory. */
class Cookies {
  readonly parent: Ino
  private readonly sink: Sink
  private readonly next: number
  private readonly seen = new Set<number>()

  constructor(sink: Sink, table: InodeTable, parent: Ino) {
    this.sink = sink
    this.parent = parent
    const row = table.find(parent)
    this.next = row === undefined ? Infinity : table.get(row, COLUMN.cookieNext)
  }

  add(name: string, cookie: number): void {
    const entry = `its entry "${showName(name)}" has cookie ${cookie}`
    if (cookie < COOKIE_MIN || cookie >= this.next) {
      this.sink('F12', 'error', `${entry}, and the next one is ${this.next}`, this.parent)
    }
    if (this.seen.has(cookie)) {
      this.sink('F12', 'error', `${entry}, as another one has`, this.parent)
    }
    this.seen.add(cookie)
  }
}
