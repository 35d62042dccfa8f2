/** F6, F14, F15, F16, F28: keys as such, and the small kinds of them. */
import { INODE_HAS_XATTRS, type Ino } from '../store/inode.ts'
import { PREFIXES, isWellFormed, prefixEnd, u32FromKey, u64FromKey } from '../store/keys.ts'
import { describeKey } from '../store/describe-key.ts'
import { COLUMN, type InodeTable } from './inode-table.ts'
import type { VolumeView } from './volume-view.ts'

const LAST_KEY = '\xff'.repeat(600)

/** Generations of extent maps on their way in or out, by inode. */
export type PendingMaps = ReadonlyMap<Ino, readonly number[]>

export async function checkKeys(view: VolumeView): Promise<void> {
  let from = '\0'
  for (const prefix of PREFIXES) {
    for await (const { key } of view.range(from, prefix)) reportKey(view, key)
    for await (const { key } of view.entries(prefix)) if (!isWellFormed(key)) reportKey(view, key)
    from = prefixEnd(prefix)
  }
  for await (const { key } of view.range(from, LAST_KEY)) reportKey(view, key)
}

function reportKey(view: VolumeView, key: string): void {
  view.sink('F6', 'error', `the index has ${describeKey(key).text}, which is of no kind`)
}

export async function checkOrphans(view: VolumeView, table: InodeTable): Promise<void> {
  for await (const { key } of view.entries('O')) {
    if (!isWellFormed(key)) continue
    const ino = u64FromKey(key, 1)
    const row = table.find(ino)
    if (row === undefined) {
      view.sink('F14', 'error', 'is listed as an orphan, and does not exist', ino)
    } else {
      if (table.get(row, COLUMN.nlink) > 0) {
        view.sink('F14', 'error', 'is listed as an orphan, and has links', ino)
      }
      table.set(row, COLUMN.mark, -1)
    }
  }
  for (let row = 0; row < table.rowCount; row++) {
    if (table.get(row, COLUMN.nlink) > 0 || table.get(row, COLUMN.mark) === -1) continue
    view.sink('F14', 'warning', 'has no links, and is not listed', table.get(row, COLUMN.ino))
  }
}

/** The hidden directories that exist; what must hold of them is looked at with the links. */
export async function checkHidden(view: VolumeView, table: InodeTable): Promise<ReadonlySet<Ino>> {
  const hidden = new Set<Ino>()
  for await (const { key } of view.entries('H')) {
    if (!isWellFormed(key)) continue
    const ino = u64FromKey(key, 1)
    hidden.add(ino)
    if (table.find(ino) !== undefined) continue
    view.sink('F28', 'error', 'is listed as a hidden directory, and does not exist', ino)
  }
  return hidden
}

export async function checkXattrs(view: VolumeView, table: InodeTable): Promise<void> {
  for await (const { key } of view.entries('X')) {
    if (!isWellFormed(key)) continue
    const { text } = describeKey(key)
    const ino = u64FromKey(key, 1)
    const row = table.find(ino)
    if (row === undefined) {
      view.sink('F15', 'error', `does not exist, unlike ${text}`, ino)
    } else if ((table.get(row, COLUMN.flags) & INODE_HAS_XATTRS) === 0) {
      view.sink('F15', 'error', `is not flagged as having attributes, so ${text} is not seen`, ino)
    }
  }
}

export async function checkPendingMaps(view: VolumeView, table: InodeTable): Promise<PendingMaps> {
  const pending = new Map<Ino, number[]>()
  for await (const { key } of view.entries('P')) {
    if (!isWellFormed(key)) continue
    const ino = u64FromKey(key, 1)
    const generation = u32FromKey(key, 9)
    pending.set(ino, [...(pending.get(ino) ?? []), generation])
    const row = table.find(ino)
    const own = row === undefined ? -1 : table.get(row, COLUMN.generation)
    if (row === undefined) {
      view.sink('F16', 'error', `does not exist; generation ${generation} of it is pending`, ino)
    } else if (generation === own || generation > own + 1) {
      view.sink('F16', 'error', `generation ${generation} is pending, and its own is ${own}`, ino)
    }
  }
  return pending
}
