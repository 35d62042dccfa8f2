/**
 * Writes that go past the kernel's cache (O_DIRECT) while others read through it. Linux drops the range
 * from its cache before it sends such a write, and once more behind it if the caller waits; behind an
 * asynchronous one of io_submit(2) or io_uring it does not on FUSE. What was read in between would stay there,
 * and show the old content for ever. So while a file has such a writer it is remembered what was read
 * for the cache, and what of that a write replaces is dropped before the write is answered:
 *
 * - A read that was asked for before the write was staged is remembered. If its answer is still on the way,
 *   its pages are locked, and dropping waits for them.
 * - A read that is asked for later gets the new content.
 */
import { constants } from 'node:fs'
import type { FileState } from '../txn/shadow-fork.ts'
import { ByteRanges } from '../txn/byte-ranges.ts'
import type { FsContext } from './context.ts'
import type { OpenFile } from './file-table.ts'
import type { WriteRequest } from './operations.ts'

/** Not the same number on all architectures. */
const OPEN_DIRECT = constants.O_DIRECT

/** A file is opened. What was read before Linux drops by itself, as no write is under way yet. */
export function noteOpen({ file, flags, isWriter }: OpenFile): void {
  if (isWriter && (flags & OPEN_DIRECT) !== 0) file.cachedReads ??= new ByteRanges()
}

/** Something is read for the cache. */
export function noteRead({ cachedReads }: FileState, offset: number, lengthBytes: number): void {
  cachedReads?.add(offset, offset + lengthBytes)
}

/**
 * Drops what a write that has just been staged replaces. Undefined if there is nothing. Requires: the caller
 * holds nothing that requests for the inode wait for.
 */
export function dropReplaced(
  { kernel }: FsContext,
  file: FileState,
  { fromCache, openFlags = 0, offset, data }: WriteRequest,
): Promise<void> | undefined {
  if (fromCache || file.isIsolated || (openFlags & OPEN_DIRECT) === 0) return undefined
  const end = offset + data.length
  // Who has set O_DIRECT by fcntl(2) has opened the file without.
  const isKnown = file.cachedReads !== undefined
  file.cachedReads ??= new ByteRanges()
  if (isKnown && !file.cachedReads.overlaps(offset, end)) return undefined
  file.cachedReads.remove(offset, end)
  return kernel.dropRange?.(file.ino, offset, data.length)
}
