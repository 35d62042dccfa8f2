/**
 * Packs the entries of a directory into the answer to one READDIR or READDIRPLUS:
 *
 *   plain   ino8 nextOffset8 nameLength4 type4 name, padded to 8
 *   plus    entry128, then the same
 */
import { FsError } from '../../errors.ts'
import type { Attributes, DirectoryEntry, Ino } from '../../fs/operations.ts'
import type { ReplyTimeouts } from '../timeouts.ts'
import { REPLY_HEADER_SIZE } from './protocol.ts'
import { ENTRY_SIZE, newReply, writeEntry, writeU64 } from './replies.ts'

const DIRENT_HEADER_SIZE = 24

/** What makes a listing one that looks its entries up as well. */
export interface Lookups {
  readonly timeouts: ReplyTimeouts
  /** Counts a reference of the kernel; called only for what the kernel will see. */
  remember(ino: Ino): Attributes
}

/** Encodes as many entries as fit into `room` bytes; with `lookups` also what they lead to. */
export function encodeDirectoryPage(
  entries: Iterable<DirectoryEntry>,
  room: number,
  lookups?: Lookups,
): Buffer {
  const reply = newReply(room)
  const end = REPLY_HEADER_SIZE + room
  const entrySize = lookups === undefined ? 0 : ENTRY_SIZE
  let at = REPLY_HEADER_SIZE
  for (const entry of entries) {
    const unpadded = entrySize + DIRENT_HEADER_SIZE + entry.name.length
    const size = Math.ceil(unpadded / 8) * 8
    if (at + size > end) break
    if (lookups !== undefined) writeLookup(reply, at, entry, lookups)
    writeDirent(reply, at + entrySize, entry)
    at += size
  }
  return reply.subarray(0, at)
}

/** Without an inode in it, an entry is merely listed and not looked up. */
function writeLookup(target: Buffer, at: number, entry: DirectoryEntry, lookups: Lookups): void {
  if (entry.name === '.' || entry.name === '..') return
  try {
    writeEntry(target, at, lookups.remember(entry.ino), lookups.timeouts)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
  }
}

function writeDirent(target: Buffer, at: number, entry: DirectoryEntry): void {
  writeU64(target, entry.ino, at)
  writeU64(target, entry.nextOffset, at + 8)
  target.writeUInt32LE(entry.name.length, at + 16)
  target.writeUInt32LE(entry.type >>> 12, at + 20)
  target.write(entry.name, at + DIRENT_HEADER_SIZE, 'latin1')
}
