/** F9, F10, F11, F28, and F13 for the root: what inodes say of names, against what was counted. */
import { type Ino, ROOT_INO } from '../store/inode.ts'
import { isDirectoryRow } from './check-inodes.ts'
import type { Sink } from './findings.ts'
import { COLUMN, type InodeTable } from './inode-table.ts'

const UNKNOWN = 0
const ON_PATH = 1
const DONE = 2

export function checkLinks(sink: Sink, table: InodeTable, hidden: ReadonlySet<Ino>): void {
  for (let row = 0; row < table.rowCount; row++) {
    const ino = table.get(row, COLUMN.ino)
    if (isDirectoryRow(table, row)) checkDirectory(sink, table, row)
    const isHidden = hidden.has(ino)
    if (isHidden) checkHidden(sink, table, row)
    if (table.get(row, COLUMN.nlink) === 0) continue
    if (table.get(row, COLUMN.names) > 0 || ino === ROOT_INO || isHidden)
      checkLinkCount(sink, table, row)
    else sink('F9', 'error', 'has links, and no name leads to it', ino)
  }
}

function checkDirectory(sink: Sink, table: InodeTable, row: number): void {
  const ino = table.get(row, COLUMN.ino)
  const said = table.get(row, COLUMN.entryCount)
  const counted = table.get(row, COLUMN.entries)
  if (said !== counted) sink('F11', 'error', `has ${counted} entries, and says ${said}`, ino)
  if (ino === ROOT_INO && table.get(row, COLUMN.parent) !== ROOT_INO) {
    sink('F13', 'error', `is the root, and says ${table.get(row, COLUMN.parent)}`, ino)
  }
  findCycle(sink, table, row)
}

function checkHidden(sink: Sink, table: InodeTable, row: number): void {
  const ino = table.get(row, COLUMN.ino)
  const report = (text: string): void => {
    sink('F28', 'error', `is listed as a hidden directory, and ${text}`, ino)
  }
  if (!isDirectoryRow(table, row)) report('is no directory')
  if (ino === ROOT_INO) report('is the root')
  if (table.get(row, COLUMN.nlink) === 0) report('has no links')
  if (table.get(row, COLUMN.names) > 0) report('has a name')
  const parent = table.get(row, COLUMN.parent)
  if (parent !== ino) report(`says that its parent is ${parent}`)
}

function checkLinkCount(sink: Sink, table: InodeTable, row: number): void {
  const ino = table.get(row, COLUMN.ino)
  const names = table.get(row, COLUMN.names)
  const said = table.get(row, COLUMN.nlink)
  const isDirectory = isDirectoryRow(table, row)
  const expected = isDirectory ? 2 + table.get(row, COLUMN.subdirectories) : names
  if (said !== expected) {
    sink('F10', 'error', `has link count ${said}, and ${expected} would be right`, ino)
  }
  if (isDirectory && names > 1) sink('F10', 'error', `is a directory with ${names} names`, ino)
}

/** A directory below itself is not reached from the root. What is below it need not be told. */
function findCycle(sink: Sink, table: InodeTable, start: number): void {
  const path: number[] = []
  let row = start
  while (row >= 0 && table.get(row, COLUMN.mark) === UNKNOWN) {
    table.set(row, COLUMN.mark, ON_PATH)
    path.push(row)
    row = table.get(row, COLUMN.foundParent) - 1
  }
  if (row >= 0 && table.get(row, COLUMN.mark) === ON_PATH) {
    sink('F9', 'error', 'is a directory that lies in itself', table.get(row, COLUMN.ino))
  }
  for (const passed of path) table.set(passed, COLUMN.mark, DONE)
}
