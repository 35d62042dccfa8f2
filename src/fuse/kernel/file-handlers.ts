/** Requests about open files. */
import { type Edge, type Handler, OWN_HANDLE, type Reply, type Request, whenReady } from './edge.ts'
import type { Awaitable, Opened } from '../../fs/operations.ts'
import { invariant } from '../../errors.ts'
import { OPEN_TRUNC } from '../../fs/operations.ts'
import {
  FSYNC_DATA_ONLY,
  OPEN_KILL_SUIDGID,
  READ_LOCK_OWNER,
  WRITE_CACHE,
  WRITE_KILL_SUIDGID,
} from './protocol.ts'
import { LentMemory } from './read-memory.ts'
import { encodeCreated, encodeDone, encodeOffset, encodeOpened, encodeSize } from './replies.ts'
import {
  decodeAllocate,
  decodeCopyRange,
  decodeCreate,
  decodeHandle,
  decodeOpen,
  decodeRead,
  decodeSeek,
  decodeSync,
  decodeWrite,
} from './request-decoders.ts'

export const open: Handler = (edge, { ino, caller, body }) => {
  const { flags, kernelFlags } = decodeOpen(body)
  if (edge.ownFiles.isOwnOpen(ino, caller)) {
    return encodeOpened({ fh: OWN_HANDLE, keepCache: true })
  }
  const opened = edge.filesystem.open(ino, flags, caller)
  const truncatesPrivileged = (flags & OPEN_TRUNC) !== 0 && (kernelFlags & OPEN_KILL_SUIDGID) !== 0
  if (!truncatesPrivileged) return whenReady(opened, encodeOpened)
  return killPrivileges(edge, ino, caller, opened)
}

async function killPrivileges(
  edge: Edge,
  ino: Request['ino'],
  caller: Request['caller'],
  opening: Awaitable<Opened>,
): Promise<Buffer> {
  const opened = await opening
  try {
    await edge.filesystem.setAttributes(ino, { killPrivileges: true }, caller)
  } catch (error) {
    // The program gets no descriptor, so the kernel will not release this one.
    await edge.filesystem.release(opened.fh, caller)
    throw error
  }
  return encodeOpened(opened)
}

/** OPEN_KILL_SUIDGID is ignored here: a file that has just been made keeps the mode asked for. */
export const create: Handler = (edge, { ino, caller, body }) => {
  const { name, mode, umask, flags } = decodeCreate(body)
  return whenReady(
    edge.filesystem.create(ino, name, mode, flags, { ...caller, umask }),
    ({ attributes, opened }) => encodeCreated(attributes, opened, edge.timeouts),
  )
}

/** TMPFILE; the request has a name, which means nothing. */
export const makeUnnamed: Handler = (edge, { ino, caller, body }) => {
  const { mode, umask, flags } = decodeCreate(body)
  return whenReady(
    edge.filesystem.makeUnnamed(ino, mode, flags, { ...caller, umask }),
    ({ attributes, opened }) => encodeCreated(attributes, opened, edge.timeouts),
  )
}

export const read: Handler = (edge, { body }) => {
  const { fh, offset, lengthBytes, flags } = decodeRead(body)
  const forCache = (flags & READ_LOCK_OWNER) === 0
  const memory = new LentMemory()
  const reply = (pieces: readonly Uint8Array[]): Reply => {
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0)
    invariant(total <= lengthBytes, 'a read returns no more than was asked for')
    return memory.reply(pieces)
  }
  const reading = edge.filesystem.read(fh, offset, lengthBytes, { forCache, memory })
  if (!(reading instanceof Promise)) return reply(reading)
  return reading.then(reply).catch((error: unknown) => {
    memory.giveBack()
    throw error
  })
}

export const write: Handler = (edge, request) => {
  const { fh, offset, flags, openFlags, data } = decodeWrite(request.body)
  const written = {
    offset,
    data,
    fromCache: (flags & WRITE_CACHE) !== 0,
    killPrivileges: (flags & WRITE_KILL_SUIDGID) !== 0,
    openFlags,
    caller: request.caller,
    takeMemory: () => request.holdMemory(),
  }
  const { filesystem } = edge
  const taken =
    fh === OWN_HANDLE ? filesystem.writeCached(request.ino, written) : filesystem.write(fh, written)
  if (!(taken instanceof Promise)) return encodeSize(taken)
  return taken.finally(request.holdMemory()).then(encodeSize)
}

export const allocate: Handler = (edge, { body }) => {
  const { fh, mode, offset, lengthBytes } = decodeAllocate(body)
  return whenReady(edge.filesystem.allocate(fh, mode, offset, lengthBytes), encodeDone)
}

export const copyRange: Handler = (edge, { body }) =>
  whenReady(edge.filesystem.copyRange(decodeCopyRange(body)), encodeSize)

export const seek: Handler = (edge, { body }) => {
  const { fh, offset, whence } = decodeSeek(body)
  return whenReady(edge.filesystem.seek(fh, offset, whence), encodeOffset)
}

export const flush: Handler = (edge, { caller, body }) => {
  const fh = decodeHandle(body)
  if (fh === OWN_HANDLE) return encodeDone()
  return whenReady(edge.filesystem.flush(fh, caller), encodeDone)
}

export const release: Handler = (edge, { caller, body }) => {
  const fh = decodeHandle(body)
  if (fh === OWN_HANDLE) return encodeDone()
  return whenReady(edge.filesystem.release(fh, caller), encodeDone)
}

export const fsync: Handler = (edge, { caller, body }) => {
  const { fh, flags } = decodeSync(body)
  if (fh === OWN_HANDLE) return encodeDone()
  const isDataOnly = (flags & FSYNC_DATA_ONLY) !== 0
  return whenReady(edge.filesystem.fsync(fh, isDataOnly, caller), encodeDone)
}
