/** Requests about extended attributes. */
import { FsError } from '../../errors.ts'
import { type Handler, whenReady } from './edge.ts'
import { FEATURE, SETXATTR_ACL_KILL_SGID } from './protocol.ts'
import { encodeBytes, encodeDone, encodeSize } from './replies.ts'
import { decodeGetXattr, decodeListXattr, decodeSetXattr } from './request-decoders.ts'

/** Answers with the value, or with its size where no room was given for it. */
function encodeValue(value: Uint8Array, room: number): Buffer {
  if (room === 0) return encodeSize(value.length)
  if (value.length > room) throw new FsError('ERANGE', 'The value needs more room')
  return encodeBytes(value)
}

export const getXattr: Handler = (edge, { ino, caller, body }) => {
  const { name, room } = decodeGetXattr(body)
  return whenReady(edge.filesystem.getXattr(ino, name, caller), (value) => encodeValue(value, room))
}

export const listXattr: Handler = (edge, { ino, caller, body }) => {
  const room = decodeListXattr(body)
  return whenReady(edge.filesystem.listXattr(ino, caller), (names) =>
    encodeValue(Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), room),
  )
}

export const setXattr: Handler = (edge, { ino, caller, body }) => {
  const isExtended = (edge.features() & FEATURE.SETXATTR_EXT) !== 0
  const { name, value, flags, kernelFlags } = decodeSetXattr(body, isExtended)
  const killsSetGroupId = (kernelFlags & SETXATTR_ACL_KILL_SGID) !== 0
  return whenReady(
    edge.filesystem.setXattr(ino, name, value, flags, { caller, killsSetGroupId }),
    encodeDone,
  )
}

export const removeXattr: Handler = (edge, { ino, body }) =>
  whenReady(edge.filesystem.removeXattr(ino, body.name()), encodeDone)
