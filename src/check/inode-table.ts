/**
 * What a check has to remember of every inode: some numbers in one array, in the order of inode
 * numbers, because a million objects would not do.
 */
import type { Ino } from '../store/inode.ts'

/** Columns: what the inode record says, then what was counted. */
export const COLUMN = {
  ino: 0,
  mode: 1,
  nlink: 2,
  flags: 3,
  generation: 4,
  size: 5,
  blockCount: 6,
  parent: 7,
  entryCount: 8,
  cookieNext: 9,
  /** Names that lead to it. */
  names: 10,
  /** Entries of it, and those of them that are directories. */
  entries: 11,
  subdirectories: 12,
  /** Row + 1 of the directory with its first name, or 0. */
  foundParent: 13,
  /** Blocks of its own generation. */
  mapped: 14,
  /** Working space of one pass. */
  mark: 15,
} as const

export type Column = (typeof COLUMN)[keyof typeof COLUMN]

const STRIDE = 16
const FIRST_ROWS = 1024

export class InodeTable {
  rowCount = 0
  private cells = new Float64Array(FIRST_ROWS * STRIDE)

  /** Adds an inode with a higher number than all before; returns its row. */
  add(ino: Ino): number {
    const row = this.rowCount++
    if (this.rowCount * STRIDE > this.cells.length) {
      const grown = new Float64Array(this.cells.length * 2)
      grown.set(this.cells)
      this.cells = grown
    }
    this.set(row, COLUMN.ino, ino)
    return row
  }

  get(row: number, column: Column): number {
    return this.cells[row * STRIDE + column] ?? 0
  }

  set(row: number, column: Column, value: number): void {
    this.cells[row * STRIDE + column] = value
  }

  increment(row: number, column: Column, by = 1): void {
    this.set(row, column, this.get(row, column) + by)
  }

  /** The row of an inode, if it exists. */
  find(ino: Ino): number | undefined {
    let low = 0
    let high = this.rowCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.get(middle, COLUMN.ino) < ino) low = middle + 1
      else high = middle
    }
    return low < this.rowCount && this.get(low, COLUMN.ino) === ino ? low : undefined
  }
}
