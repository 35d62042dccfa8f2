/** What operations do to the world: names and handles. Those that are not here do nothing to it. */
import type { OperationOf, OperationType } from './operations.ts'
import type { World } from './world.ts'

type Effect<Type extends OperationType> = (world: World, operation: OperationOf<Type>) => void

type Effects = { readonly [Type in OperationType]?: Effect<Type> }

const EFFECTS: Effects = {
  create: (world, { path, handle, process }) => {
    world.addNode(path)
    world.open(path, handle, process)
  },
  open: (world, { path, handle, process }) => {
    world.open(path, handle, process)
  },
  reset: (world, { path, handle, process }) => {
    world.open(path, handle, process)
  },
  share: (world, { handle, process }) => {
    world.handle(handle).holders.add(process)
  },
  start: (world, { handle }) => {
    world.handle(handle).isOwner = true
  },
  startover: (world, { handle }) => {
    world.handle(handle).isOwner = true
  },
  complete: (world, { handle }) => {
    world.handle(handle).isOwner = false
  },
  rollback: (world, { path }) => {
    for (const handle of world.handlesOf(world.nodeAt(path))) handle.isOwner = false
  },
  map: (world, { handle }) => {
    world.handle(handle).mapper = [...world.handle(handle).holders][0]
  },
  unmap: (world, { handle }) => {
    world.handle(handle).mapper = undefined
    world.dropIfUnused(handle)
  },
  close: (world, { handle }) => {
    world.closeOldest(handle)
    world.dropIfUnused(handle)
  },
  flush: (world, { handle }) => {
    world.closeOldest(handle)
  },
  release: (world, { handle }) => {
    world.dropIfUnused(handle)
  },
  exit: (world, { process }) => {
    world.endProcess(process)
  },
  kill: (world, { process }) => {
    world.endProcess(process)
  },

  mkdir: (world, { path }) => {
    world.directories.add(world.addNode(path))
  },
  meanwhile: (world, { path }) => {
    world.directories.add(world.addNode(path))
  },
  rework: (world, { path }) => {
    world.replaceTree(path)
    if (world.node(`${path}/w`) === undefined) world.addNode(`${path}/w`)
  },
  symlink: (world, { path }) => {
    world.symlinks.add(world.addNode(path))
  },
  link: (world, { path, to }) => {
    world.names.set(to, world.nodeAt(path))
  },
  unlink: (world, { path }) => {
    world.names.delete(path)
  },
  rmdir: (world, { path }) => {
    world.names.delete(path)
  },
  rename: (world, { path, to }) => {
    world.move([[path, to]])
  },
  exchange: (world, { path, to }) => {
    world.move([
      [path, to],
      [to, path],
    ])
  },
  xattr: (world, { path }) => {
    world.attributed.add(world.nodeAt(path))
  },
  unxattr: (world, { path }) => {
    world.attributed.delete(world.nodeAt(path))
  },
}

/** Requires: the operation is possible. */
export function applyEffect<Type extends OperationType>(
  world: World,
  operation: OperationOf<Type>,
): void {
  const effect: Effect<Type> | undefined = EFFECTS[operation.type]
  effect?.(world, operation)
}
