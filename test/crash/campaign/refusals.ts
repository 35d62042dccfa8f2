/** Why an operation is not possible now, in a way that says what to do before it. */
import type { Operation } from './operations.ts'
import { type World, parentOf } from './world.ts'

export type Refusal =
  /** There should be something of this name. */
  | { readonly missing: 'file' | 'directory' | 'attribute'; readonly path: string }
  /** The name is in the way. */
  | { readonly taken: string }
  /** A handle is not in the state that it should be in. */
  | { readonly handle: string; readonly should: HandleState }
  /** A handle should have no open transaction. */
  | { readonly owner: string }
  /** A process should have something open. */
  | { readonly idle: number }
  | { readonly impossible: string }

/** `late`: closed, with its RELEASE on the way. */
export type HandleState = 'open' | 'mapped' | 'unmapped' | 'late' | 'gone'

export function refusalOf(world: World, operation: Operation): Refusal | undefined {
  switch (operation.type) {
    case 'create':
      return absent(world, operation.path) ?? gone(world, operation.handle)
    case 'open':
    case 'reset':
      return file(world, operation.path) ?? gone(world, operation.handle)
    case 'share':
      return shareable(world, operation.handle, operation.process)
    case 'write':
    case 'append':
    case 'truncate':
    case 'fdatasync':
    case 'close':
      return open(world, operation.handle)
    case 'scatter':
    case 'punch':
    case 'zero':
      // A failure half way leaves half of it staged, and nobody promises more.
      return world.isTight ? { impossible: 'no space' } : open(world, operation.handle)
    case 'swap':
      if (world.isTight) return { impossible: 'no space' }
      return unowned(world, operation.handle) ?? unowned(world, operation.other)
    case 'fsync':
      return operation.handles
        .map((handle) => (isMapped(world, handle) ? undefined : open(world, handle)))
        .find((refusal) => refusal !== undefined)
    case 'meanwhile':
      return open(world, operation.handle) ?? absent(world, operation.path)
    case 'map':
      if ((world.handles.get(operation.handle)?.holders.size ?? 0) > 1) {
        return { handle: operation.handle, should: 'gone' }
      }
      if (isMapped(world, operation.handle)) {
        return { handle: operation.handle, should: 'unmapped' }
      }
      return world.isTight ? { impossible: 'no space' } : open(world, operation.handle)
    case 'store':
    case 'deliver':
    case 'unmap':
      return isMapped(world, operation.handle)
        ? undefined
        : { handle: operation.handle, should: 'mapped' }
    case 'flush':
      if (isMapped(world, operation.handle)) {
        return { handle: operation.handle, should: 'unmapped' }
      }
      return open(world, operation.handle)
    case 'release':
      return world.handles.has(operation.handle) && world.isUnused(operation.handle)
        ? undefined
        : { handle: operation.handle, should: 'late' }
    case 'exit':
    case 'kill':
      return world.handlesOfProcess(operation.process).length > 0
        ? undefined
        : { idle: operation.process }
    case 'resize':
      return world.isTight ? { impossible: 'no space' } : file(world, operation.path)
    case 'isolated':
      return closed(world, operation.path)
    case 'start':
    case 'startover':
    case 'complete':
    case 'abort':
      return transactable(world, operation.handle)
    case 'rollback':
      return file(world, operation.path)
    case 'commit':
      return free(world, operation.path)
    case 'gather':
      return free(world, operation.path) ?? free(world, operation.to)
    case 'atomic':
    case 'onclose':
    case 'xattr':
    case 'chmod':
      return world.isDirectory(operation.path) ? undefined : file(world, operation.path)
    case 'unxattr':
      return world.attributed.has(world.node(operation.path) ?? -1)
        ? undefined
        : { missing: 'attribute', path: operation.path }
    case 'rename':
      return renamable(world, operation.path, operation.to)
    case 'exchange':
      return exchangeable(world, operation.path, operation.to)
    case 'link':
      return file(world, operation.path) ?? absent(world, operation.to)
    case 'symlink':
    case 'mkdir':
      return absent(world, operation.path)
    case 'unlink':
      if (world.isDirectory(operation.path)) return { taken: operation.path }
      return exists(world, operation.path)
    case 'fill':
      return world.isDirectory(operation.path)
        ? undefined
        : { missing: 'directory', path: operation.path }
    case 'rework':
      return reworkable(world, operation.path)
    case 'rmdir':
      return emptyDirectory(world, operation.path)
    case 'syncdir':
    case 'writeback':
    case 'checkpoint':
    case 'background':
    case 'reap':
      return undefined
  }
}

function exists(world: World, path: string): Refusal | undefined {
  return world.node(path) === undefined ? { missing: 'file', path } : undefined
}

function file(world: World, path: string): Refusal | undefined {
  if (world.isFile(path)) return undefined
  return world.node(path) === undefined ? { missing: 'file', path } : { taken: path }
}

function closed(world: World, path: string): Refusal | undefined {
  if (world.isTight) return { impossible: 'no space' }
  const refusal = file(world, path)
  if (refusal !== undefined) return refusal
  const inTheWay = [...world.handles].find(([, { node }]) => node === world.node(path))
  return inTheWay === undefined ? undefined : { handle: inTheWay[0], should: 'gone' }
}

function place(world: World, path: string): Refusal | undefined {
  const parent = parentOf(path)
  if (world.isDirectory(parent)) return undefined
  if (world.node(parent) !== undefined) return { taken: parent }
  return { missing: 'directory', path: parent }
}

function absent(world: World, path: string): Refusal | undefined {
  return world.node(path) === undefined ? place(world, path) : { taken: path }
}

function open(world: World, handle: string): Refusal | undefined {
  const isOpen = (world.handles.get(handle)?.holders.size ?? 0) > 0
  return isOpen ? undefined : { handle, should: 'open' }
}

function transactable(world: World, handle: string): Refusal | undefined {
  const refusal = open(world, handle)
  if (refusal !== undefined) return refusal
  const owner = world.ownerOf(world.handle(handle).node)
  return owner === undefined || owner === handle ? undefined : { owner }
}

/** A file that may be published by its name. */
function free(world: World, path: string): Refusal | undefined {
  const refusal = file(world, path)
  if (refusal !== undefined) return refusal
  const owner = world.ownerOf(world.nodeAt(path))
  return owner === undefined ? undefined : { owner }
}

/** Open, and of a file that no transaction is open of. */
function unowned(world: World, handle: string): Refusal | undefined {
  const refusal = open(world, handle)
  if (refusal !== undefined) return refusal
  const owner = world.ownerOf(world.handle(handle).node)
  return owner === undefined ? undefined : { owner }
}

function gone(world: World, handle: string): Refusal | undefined {
  return world.handles.has(handle) ? { handle, should: 'gone' } : undefined
}

function isMapped(world: World, handle: string): boolean {
  return world.handles.get(handle)?.mapper !== undefined
}

function shareable(world: World, handle: string, process: number): Refusal | undefined {
  if (isMapped(world, handle)) return { handle, should: 'unmapped' }
  if (world.handles.get(handle)?.holders.has(process) === true) return { handle, should: 'gone' }
  return open(world, handle)
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

function renamable(world: World, path: string, to: string): Refusal | undefined {
  const refusal = exists(world, path) ?? place(world, to)
  if (refusal !== undefined) return refusal
  if (isInside(to, path) || isInside(path, to)) return { impossible: 'into itself' }
  if (world.node(to) === undefined) return undefined
  if (world.node(to) === world.node(path)) return { taken: to }
  const areAlike = world.isDirectory(path) === world.isDirectory(to)
  return areAlike && world.isEmpty(to) ? undefined : { taken: to }
}

function exchangeable(world: World, path: string, to: string): Refusal | undefined {
  const refusal = exists(world, path) ?? place(world, to) ?? exists(world, to)
  if (refusal !== undefined) return refusal
  if (isInside(to, path) || isInside(path, to)) return { impossible: 'into itself' }
  return world.node(to) === world.node(path) ? { taken: to } : undefined
}

/** Nobody has a file in it open: what its writers stage would be a conflict, or an effect of its own. */
function reworkable(world: World, path: string): Refusal | undefined {
  if (world.node(path) === undefined) return { missing: 'directory', path }
  if (!world.isDirectory(path)) return { taken: path }
  if (world.isTight) return { impossible: 'no space' }
  const name = `${path}/w`
  if (world.node(name) !== undefined && !world.isFile(name)) return { taken: name }
  for (const [handle, { node }] of world.handles) {
    const isBelow = [...world.names].some(([each, at]) => at === node && isInside(each, path))
    if (isBelow) return { handle, should: 'gone' }
  }
  return undefined
}

function emptyDirectory(world: World, path: string): Refusal | undefined {
  if (world.node(path) === undefined) return { missing: 'directory', path }
  if (!world.isDirectory(path)) return { taken: path }
  return world.isEmpty(path) ? undefined : { impossible: 'not empty' }
}
