/**
 * What a manifest of LevelDB says: which tables and logs count. A crash leaves files that do not, and
 * those may be torn.
 */
import { logRecords, verifyLog } from './log.ts'
import type { FileDamage } from './table.ts'
import { VarintReader } from './varint.ts'

export interface LiveFiles {
  /** Sizes in bytes, by number. */
  readonly tables: ReadonlyMap<number, number>
  /** Logs from this number on count, and the one of before. */
  readonly firstLog: number
  readonly previousLog: number
}

const COMPARATOR = 1
const LOG = 2
const NEXT_FILE = 3
const LAST_SEQUENCE = 4
const COMPACT_POINTER = 5
const DELETED_FILE = 6
const NEW_FILE = 7
const PREVIOUS_LOG = 9

/**
 * Damage that keeps LevelDB from opening, once a torn record at the end is cut off, which opening a
 * volume does first (see `mend-manifest.ts`).
 */
export function verifyManifest(bytes: Buffer): FileDamage | undefined {
  const found = verifyLog(bytes)
  if (found !== undefined) return found
  const tags = new Set([...logRecords(bytes)].flatMap(tagsOf))
  const isComplete = [LOG, NEXT_FILE, LAST_SEQUENCE].every((tag) => tags.has(tag))
  if (isComplete) return undefined
  return { offset: 0, what: 'a part of the list of tables is damaged', isUsable: false }
}

function tagsOf(record: Buffer): number[] {
  const tags: number[] = []
  applyEdit(record, { tables: new Map(), firstLog: 0, previousLog: 0 }, (tag) => tags.push(tag))
  return tags
}

export function readManifest(bytes: Buffer): LiveFiles {
  const live = { tables: new Map<number, number>(), firstLog: 0, previousLog: 0 }
  for (const record of logRecords(bytes)) applyEdit(record, live)
  return live
}

function applyEdit(
  record: Buffer,
  live: { tables: Map<number, number>; firstLog: number; previousLog: number },
  onTag: (tag: number) => void = () => undefined,
): void {
  const input = new VarintReader(record)
  while (!input.isAtEnd) {
    const tag = input.number()
    onTag(tag)
    if (tag === COMPARATOR) input.string()
    else if (tag === LOG) live.firstLog = input.number()
    else if (tag === NEXT_FILE || tag === LAST_SEQUENCE) input.number()
    else if (tag === PREVIOUS_LOG) live.previousLog = input.number()
    else {
      input.number() // The level.
      if (tag === COMPACT_POINTER) input.string()
      else if (tag === DELETED_FILE) live.tables.delete(input.number())
      else if (tag === NEW_FILE) {
        live.tables.set(input.number(), input.number())
        input.string()
        input.string()
      } else return
    }
  }
}
