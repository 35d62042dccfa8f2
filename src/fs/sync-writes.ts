/**
 * Writes through O_SYNC and O_DSYNC past the kernel's cache: it leaves it to us to make them durable, and
 * it passes a large one on in pieces without a word of how many. Only the last may publish, so that the
 * write is there whole or not at all. What the thread has asked for stands in /proc; of writev(2) and its
 * relatives only the kernel can tell the length, and each piece of those is published.
 */
import type { FsContext } from './context.ts'
import type { OpenFile } from './file-table.ts'
import { OPEN_DSYNC, type WriteRequest } from './operations.ts'

/** What another piece can follow has at least as much: as many pages as fit, the first one in part. */
const FULL_PIECE_BYTES = 1024 * 1024 - 4096

/** Whether a write must be durable before it is answered. */
export function mustSync(context: FsContext, handle: OpenFile, request: WriteRequest): boolean {
  const { openFlags = 0, caller, data } = request
  if (!handle.view.isIsolated || (openFlags & OPEN_DSYNC) === 0) return false
  const thread = caller?.pid ?? 0
  const { pieces } = handle
  const isNext = pieces?.thread === thread && pieces.end === request.offset
  const offset = isNext ? pieces.offset : request.offset
  const end = request.offset + data.length
  const isFull = data.length >= FULL_PIECE_BYTES
  const length = isFull ? context.processes.writeLength(thread) : undefined
  const isLast = length === undefined || end - offset >= length
  handle.pieces = isLast ? undefined : { thread, offset, end }
  return isLast
}
