/** Operations on open files. */
import type { Caller, Ino } from '../../fs/operations.ts'
import { OPEN_APPEND, OPEN_DSYNC, OPEN_TRUNC } from '../../fs/operations.ts'
import { invariant } from '../../errors.ts'
import { READ_LOCK_OWNER } from '../kernel/protocol.ts'
import { decodeRead } from '../kernel/request-decoders.ts'
import type { Edge, Handler } from './edge.ts'

/** What of a WRITE comes between its offset and the flags of the descriptor. */
const WRITE_SKIPPED = 16

export const open: Handler = async (edge, { frame, caller }) => {
  const ino = await edge.paths.ino(frame.path)
  const flags = frame.openFlags
  // The handle's own reference: an open file may lose its name.
  edge.filesystem.remember(ino)
  try {
    const { fh } = await edge.filesystem.open(ino, flags, caller)
    if ((flags & OPEN_TRUNC) !== 0) await killPrivileges(edge, ino, fh, caller)
    frame.setHandle(edge.files.add({ fh, ino }))
    return undefined
  } catch (error) {
    edge.filesystem.forget(ino, 1)
    throw error
  }
}

/** The kernel leaves that to who truncates as he opens. */
async function killPrivileges(
  { filesystem }: Edge,
  ino: Ino,
  fh: number,
  caller: Caller,
): Promise<void> {
  if (!losesPrivileges(caller)) return
  try {
    await filesystem.setAttributes(ino, { killPrivileges: true }, caller)
  } catch (error) {
    // The program gets no descriptor, so nobody will release this one.
    await filesystem.release(fh, caller)
    throw error
  }
}

/** Only root may change a file that has set-user-id and leave it that. */
const losesPrivileges = ({ uid }: Caller): boolean => uid !== 0

export const create: Handler = async (edge, call) => {
  const { parent, name } = await edge.paths.place(call.frame.path)
  const { attributes, opened } = await edge.filesystem.create(
    parent,
    name,
    call.number(1),
    call.frame.openFlags,
    call.caller,
  )
  call.frame.setHandle(edge.files.add({ fh: opened.fh, ino: attributes.ino }))
  return undefined
}

export const read: Handler = async (edge, call) => {
  const { fh } = edge.files.get(call.number(1))
  const { offset, lengthBytes, flags } = decodeRead(call.request.body('READ'))
  const forCache = (flags & READ_LOCK_OWNER) === 0
  const pieces = await edge.filesystem.read(fh, offset, lengthBytes, { forCache })
  const memory = call.memory(2)
  let length = 0
  for (const piece of pieces) {
    invariant(length + piece.length <= memory.length, 'a read returns no more than was asked for')
    memory.set(piece, length)
    length += piece.length
  }
  return length
}

/**
 * The content is copied before anything is done with it: the memory is libfuse's again as soon as this
 * is answered, and the filesystem may keep what it gets.
 */
export const write: Handler = async (edge, call) => {
  const { fh, ino } = edge.files.get(call.number(1))
  const body = call.request.body('WRITE')
  body.skip(8)
  const offset = body.u64()
  body.skip(WRITE_SKIPPED)
  const flags = body.u32()
  const data = Uint8Array.from(call.memory(2))
  // The kernel may not have heard yet of a size that was rolled back.
  const isAppending = (flags & OPEN_APPEND) !== 0
  const written = await edge.filesystem.write(fh, {
    offset: isAppending ? (await edge.filesystem.getAttributes(ino)).size : offset,
    data,
    fromCache: false,
    killPrivileges: losesPrivileges(call.caller),
    openFlags: flags,
    caller: call.caller,
    takeMemory: () => () => undefined,
  })
  // Without its own cache the kernel leaves it to us to make such a write durable.
  if ((flags & OPEN_DSYNC) !== 0) await edge.filesystem.fsync(fh, true, call.caller)
  return written
}

export const flush: Handler = async (edge, call) => {
  await edge.filesystem.flush(edge.files.get(call.number(1)).fh, call.caller)
  return undefined
}

export const release: Handler = async (edge, call) => {
  const { fh, ino } = edge.files.remove(call.number(1))
  try {
    await edge.filesystem.release(fh, call.caller)
  } finally {
    edge.filesystem.forget(ino, 1)
  }
  return undefined
}

export const fsync: Handler = async (edge, call) => {
  const { fh } = edge.files.get(call.number(2))
  await edge.filesystem.fsync(fh, call.number(1) !== 0, call.caller)
  return undefined
}
