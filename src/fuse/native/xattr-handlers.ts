/** Operations on extended attributes. */
import { FsError } from '../../errors.ts'
import { isAclName } from './acl-names.ts'
import type { Call, Handler } from './edge.ts'

/** ACLs would be kept, and nobody would go by them. */
function nameOf({ frame }: Call): string {
  const { name } = frame
  if (!isAclName(name)) return name
  throw new FsError('EOPNOTSUPP', 'There are no ACLs with the transport fuse-native')
}

/** Puts a value where there is room for it; without any only its size is wanted. */
function answerValue(value: Uint8Array, room: Buffer): number {
  if (room.length === 0) return value.length
  if (value.length > room.length) throw new FsError('ERANGE', 'The value needs more room')
  room.set(value)
  return value.length
}

export const getXattr: Handler = async (edge, call) => {
  const name = nameOf(call)
  const value = await edge.filesystem.getXattr(
    await edge.paths.ino(call.frame.path),
    name,
    call.caller,
  )
  return answerValue(value, call.memory(2))
}

export const listXattr: Handler = async (edge, call) => {
  const names = await edge.filesystem.listXattr(await edge.paths.ino(call.frame.path), call.caller)
  const list = names.filter((name) => !isAclName(name)).map((name) => `${name}\0`)
  return answerValue(Buffer.from(list.join(''), 'latin1'), call.memory(1))
}

export const setXattr: Handler = async (edge, call) => {
  const name = nameOf(call)
  const value = Uint8Array.from(call.memory(2))
  const ino = await edge.paths.ino(call.frame.path)
  await edge.filesystem.setXattr(ino, name, value, call.number(4), { caller: call.caller })
  return undefined
}

export const removeXattr: Handler = async (edge, call) => {
  const name = nameOf(call)
  await edge.filesystem.removeXattr(await edge.paths.ino(call.frame.path), name)
  return undefined
}
