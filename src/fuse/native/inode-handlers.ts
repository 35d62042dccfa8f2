/** Operations about inodes and their attributes. */
import { basename } from 'node:path/posix'
import { FsError } from '../../errors.ts'
import type { AttributeChanges, Attributes, FileHandle, Ino } from '../../fs/operations.ts'
import { decodeSetAttributes } from '../kernel/request-decoders.ts'
import { ACCESS_ACL } from './acl-names.ts'
import type { Call, Edge, Handler } from './edge.ts'
import { encodeStat, encodeStatvfs } from './encoders.ts'
import { isHiddenName } from './hidden-files.ts'

const OF_OTHERS = 0o077

export const getAttributes: Handler = async (edge, call) => {
  const { ino, isHidden } = await edge.paths.resolve(call.frame.path)
  if (isHidden && call.request.is('LOOKUP')) {
    throw new FsError('ENOENT', 'A hidden name is for libfuse only')
  }
  return answerAttributes(edge, call, { ino }, isHidden)
}

export const getHandleAttributes: Handler = async (edge, call) => {
  const handle = edge.files.get(call.number(1))
  const { path } = call.frame
  const isHidden = isHiddenName(basename(path)) && (await edge.paths.resolve(path)).isHidden
  return answerAttributes(edge, call, handle, isHidden)
}

async function answerAttributes(
  { filesystem }: Edge,
  { frame, request }: Call,
  { ino, fh }: { readonly ino: Ino; readonly fh?: FileHandle },
  isHidden: boolean,
): Promise<undefined> {
  const time = request.is('SETATTR') ? loneTime(decodeSetAttributes(request.body('SETATTR'))) : {}
  const found =
    Object.keys(time).length === 0
      ? // Only a program that asks may see what it has staged for itself.
        await (request.is('GETATTR')
          ? filesystem.getAttributes(ino, request.caller, fh)
          : filesystem.getAttributes(ino))
      : await filesystem.setAttributes(ino, time, request.caller)
  // libfuse takes one link off the file that it has hidden, unless there is none.
  const nlink = isHidden && found.nlink > 0 ? found.nlink + 1 : found.nlink
  const mode = await shownMode(filesystem, found)
  frame.setStat(encodeStat({ ...found, mode, nlink }))
}

/** libfuse 2 drops a time that is set without the other, and asks for the attributes. */
function loneTime({ atime, mtime }: AttributeChanges): AttributeChanges {
  if (atime !== undefined && mtime === undefined) return { atime }
  if (mtime !== undefined && atime === undefined) return { mtime }
  return {}
}

/** The kernel does not know of ACLs here, so whom only an ACL would let in or keep out stays out. */
async function shownMode(
  filesystem: Edge['filesystem'],
  { ino, mode }: Attributes,
): Promise<number> {
  if ((mode & OF_OTHERS) === 0) return mode
  try {
    await filesystem.getXattr(ino, ACCESS_ACL)
    return mode & ~OF_OTHERS
  } catch (error) {
    if (error instanceof FsError) return mode
    throw error
  }
}

/** Of a SETATTR libfuse makes one call for each kind of change; each takes its own part of it. */
const change =
  (pick: (changes: AttributeChanges) => AttributeChanges, isByHandle = false): Handler =>
  async (edge, call) => {
    const handle = isByHandle ? edge.files.get(call.number(1)) : undefined
    const ino = handle?.ino ?? (await edge.paths.ino(call.frame.path))
    const changes = pick(decodeSetAttributes(call.request.body('SETATTR')))
    const through = handle === undefined ? {} : { fh: handle.fh }
    await edge.filesystem.setAttributes(ino, { ...changes, ...through }, call.caller)
    return undefined
  }

export const setMode = change(({ mode }) => (mode === undefined ? {} : { mode }))

export const setOwner = change(({ uid, gid }) => ({
  ...(uid !== undefined && { uid }),
  ...(gid !== undefined && { gid }),
}))

export const setTimes = change(({ atime, mtime }) => ({
  ...(atime !== undefined && { atime }),
  ...(mtime !== undefined && { mtime }),
}))

const onlySize = ({ size }: AttributeChanges): AttributeChanges =>
  size === undefined ? {} : { size }

export const truncate = change(onlySize)
export const truncateHandle = change(onlySize, true)

export const readLink: Handler = async (edge, { frame }) => {
  frame.setLinkTarget(await edge.filesystem.readLink(await edge.paths.ino(frame.path)))
  return undefined
}

export const statistics: Handler = async (edge, { frame }) => {
  frame.setStatvfs(encodeStatvfs(await edge.filesystem.statistics()))
  return undefined
}
