/** Operations about names. Each is one call of the filesystem, and so one commit. */
import { FsError } from '../../errors.ts'
import type { Attributes, Awaitable } from '../../fs/operations.ts'
import { S_IFDIR, S_IFMT } from '../kernel/protocol.ts'
import { decodeRename } from '../kernel/request-decoders.ts'
import type { Call, Edge, Handler } from './edge.ts'
import { isHiddenName } from './hidden-files.ts'
import type { Place } from './paths.ts'

/** What is made counts a reference. */
async function take({ held }: Edge, making: Awaitable<Attributes>): Promise<undefined> {
  held.take((await making).ino)
}

export const makeNode: Handler = async (edge, call) => {
  const { parent, name } = await edge.paths.place(call.frame.path)
  const [mode, rdev] = [call.number(1), call.number(2)]
  return take(edge, edge.filesystem.makeNode(parent, name, mode, rdev, call.caller))
}

export const makeDirectory: Handler = async (edge, call) => {
  const { parent, name } = await edge.paths.place(call.frame.path)
  return take(edge, edge.filesystem.makeDirectory(parent, name, call.number(1), call.caller))
}

export const makeSymlink: Handler = async (edge, { frame, caller }) => {
  const { parent, name } = await edge.paths.place(frame.target)
  const target = Buffer.from(frame.path, 'latin1')
  return take(edge, edge.filesystem.makeSymlink(parent, name, target, caller))
}

export const link: Handler = async (edge, { frame }) => {
  const ino = await edge.paths.ino(frame.path)
  const { parent, name } = await edge.paths.place(frame.target)
  return take(edge, edge.filesystem.link(ino, parent, name))
}

export const unlink: Handler = async (edge, { frame }) => {
  const place = await edge.paths.place(frame.path)
  if (edge.hidden.remove(place.parent, place.name)) return undefined
  const victim = await edge.paths.find(place)
  await edge.filesystem.unlink(place.parent, place.name)
  if (victim !== undefined) edge.held.drop(victim.ino)
  return undefined
}

export const removeDirectory: Handler = async (edge, { frame }) => {
  const place = await edge.paths.place(frame.path)
  const victim = await edge.paths.find(place)
  assertNotNeeded(edge, victim)
  await edge.filesystem.removeDirectory(place.parent, place.name)
  if (victim !== undefined) edge.held.drop(victim.ino)
  return undefined
}

export const rename: Handler = async (edge, call) => {
  const source = await edge.paths.place(call.frame.path)
  const target = await edge.paths.place(call.frame.target)
  if (isHiding(call, target)) return hide(edge, call, source, target.name)
  const victim = await edge.paths.find(target)
  if (victim !== undefined && (victim.mode & S_IFMT) === S_IFDIR) assertNotNeeded(edge, victim)
  await edge.filesystem.rename({
    parent: source.parent,
    name: source.name,
    newParent: target.parent,
    newName: target.name,
    noReplace: false,
    exchange: false,
  })
  if (victim !== undefined) edge.held.drop(victim.ino)
  return undefined
}

/** Whether libfuse renames, and not somebody who likes such names. */
function isHiding({ request }: Call, { name }: Place): boolean {
  if (!isHiddenName(name)) return false
  return request.is('UNLINK') || decodeRename(request.body('RENAME'), 0).newName !== name
}

/**
 * Gives an open file a hidden name. To unlink(2) that is all that libfuse does, so the file loses its
 * name here. For a rename over it libfuse goes on to the rename, which replaces it in one commit; until
 * then it keeps its name.
 */
async function hide(
  { filesystem, hidden, held }: Edge,
  { request }: Call,
  { parent, name }: Place,
  hiddenName: string,
): Promise<undefined> {
  const found = await filesystem.lookup(parent, name)
  if (found === undefined) throw new FsError('ENOENT', `"${name}" does not exist`)
  try {
    if (request.is('UNLINK')) await filesystem.unlink(parent, name)
  } catch (error) {
    filesystem.forget(found.ino, 1)
    throw error
  }
  hidden.add(parent, hiddenName, found.ino)
  held.drop(found.ino)
}

function assertNotNeeded({ hidden }: Edge, directory: Attributes | undefined): void {
  if (directory === undefined || !hidden.isNeeded(directory.ino)) return
  throw new FsError('ENOTEMPTY', 'A file that was removed from the directory is still open')
}
