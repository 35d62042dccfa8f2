/**
 * Writes through O_SYNC and O_DSYNC past the kernel's cache: it leaves it to us to make them durable, and
 * it passes a large one on in pieces without a word of how many. Only the last may publish, so that the
 * write is there whole or not at all. What the thread has asked for stands in /proc; of writev(2) and its
 * relatives only the kernel can tell the length, and each piece of those is published.
 */
import type { FsContext } from './context.ts'
import type { OpenFile } from './file-table.ts'
import { type Awaitable, OPEN_DSYNC, type WriteRequest } from './operations.ts'

/** What another piece can follow has at least as much: as many pages as fit, the first one in part. */
const FULL_PIECE_BYTES = 1024 * 1024 - 4096

/** Whether a write must be durable before it is answered. */
export function mustSync(
  context: FsContext,
  handle: OpenFile,
  request: WriteRequest,
): Awaitable<boolean> {
  const { openFlags = 0, data } = request
  if (!handle.view.isIsolated || (openFlags & OPEN_DSYNC) === 0) return false
  if (data.length < FULL_PIECE_BYTES) {
    handle.pieces = undefined
    return true
  }
  return isLast(context, handle, request)
}

async function isLast(
  { processes }: FsContext,
  handle: OpenFile,
  { caller, data, offset: at }: WriteRequest,
): Promise<boolean> {
  const thread = caller?.pid ?? 0
  const length = await processes.writeLength(thread)
  const { pieces } = handle
  const isNext = pieces?.thread === thread && pieces.end === at
  const offset = isNext ? pieces.offset : at
  const end = at + data.length
  const isWhole = length === undefined || end - offset >= length
  handle.pieces = isWhole ? undefined : { thread, offset, end }
  return isWhole
}
