/** Calls on names, made on the filesystem and on the model. */
import { TYPE_DIRECTORY, TYPE_SYMLINK } from '../../src/store/inode.ts'
import { CALLER } from '../support/volume.ts'
import { split, publishing } from './file-steps.ts'
import {
  EMPTY,
  NO_XATTRS,
  type State,
  exchangeNames,
  inheritedXattrs,
  inoAt,
  isAtomicNode,
  moveName,
  removeName,
} from './model.ts'
import type { Action } from './oracle.ts'
import type { Session } from './session.ts'

export async function makeDirectory(session: Session, path: string): Promise<void> {
  await session.oracle.step(makeDirectoryAction(session, path))
}

/** A mkdir, to run together with other calls. */
export function makeDirectoryAction(session: Session, path: string): Action {
  const [parent, name] = split(session, path)
  const xattrs = inheritedXattrs(session.oracle.live, parent)
  let ino = 0
  return {
    apply: (state) => {
      state.names.set(path, ino)
      state.nodes.set(ino, { mode: TYPE_DIRECTORY | 0o755, content: EMPTY, xattrs })
    },
    run: async () => {
      ;({ ino } = await session.fs.makeDirectory(parent, name, 0o755, CALLER))
      session.fs.forget(ino, 1)
    },
  }
}

export async function makeSymlink(session: Session, path: string, to: string): Promise<void> {
  const [parent, name] = split(session, path)
  const content = Buffer.from(to)
  let ino = 0
  await session.oracle.step({
    apply: (state) => {
      state.names.set(path, ino)
      state.nodes.set(ino, { mode: TYPE_SYMLINK | 0o777, content, xattrs: NO_XATTRS })
    },
    run: async () => {
      ;({ ino } = await session.fs.makeSymlink(parent, name, content, CALLER))
      session.fs.forget(ino, 1)
    },
  })
}

export async function link(session: Session, path: string, newPath: string): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  const [parent, name] = split(session, newPath)
  await session.oracle.step({
    apply: (state) => state.names.set(newPath, ino),
    run: async () => {
      await session.fs.link(ino, parent, name)
      session.fs.forget(ino, 1)
    },
  })
}

export async function unlink(session: Session, path: string): Promise<void> {
  const [parent, name] = split(session, path)
  await session.oracle.step({
    apply: (state) => {
      removeName(state, path)
    },
    run: () => session.fs.unlink(parent, name),
  })
}

export async function removeDirectory(session: Session, path: string): Promise<void> {
  const [parent, name] = split(session, path)
  await session.oracle.step({
    apply: (state) => {
      removeName(state, path)
    },
    run: () => session.fs.removeDirectory(parent, name),
  })
}

/** Things that one call does at the same time, before the next ones. */
export type Together = readonly ((state: State) => void)[]

/** Renaming an ordinary file onto another publishes it in the same commit; `first` comes before. */
export async function rename(
  session: Session,
  from: string,
  to: string,
  first: Together = [],
): Promise<void> {
  const { live } = session.oracle
  const [parent, name] = split(session, from)
  const [newParent, newName] = split(session, to)
  const replaces = live.names.has(to) && live.names.get(to) !== live.names.get(from)
  const isAtomic = isAtomicNode(live, inoAt(live, from))
  const publish = replaces && !isAtomic ? publishing(session, inoAt(live, from)) : () => undefined
  const move = (state: State): void => {
    publish(state)
    moveName(state, from, to)
  }
  const request = { parent, name, newParent, newName, noReplace: false, exchange: false }
  await session.oracle.series([first, [move]], () => session.fs.rename(request))
  const opened = session.handles.get(from)
  if (opened === undefined) return
  session.handles.delete(from)
  session.handles.set(to, opened)
}

export async function exchange(
  session: Session,
  a: string,
  b: string,
  first: Together = [],
): Promise<void> {
  const [parent, name] = split(session, a)
  const [newParent, newName] = split(session, b)
  const move = (state: State): void => {
    exchangeNames(state, a, b)
  }
  const request = { parent, name, newParent, newName, noReplace: false, exchange: true }
  await session.oracle.series([first, [move]], () => session.fs.rename(request))
}

/** A checkpoint makes everything durable that was answered before it began. */
export async function checkpoint(session: Session): Promise<void> {
  const { stepCount } = session.oracle
  await session.engine.checkpointer.run()
  session.oracle.acknowledge(stepCount)
}

export async function fsyncDirectory(session: Session): Promise<void> {
  const { stepCount } = session.oracle
  await session.fs.fsyncDirectory()
  session.oracle.acknowledge(stepCount)
}

/** Frees what has no name any more; nobody sees it. */
export async function reap(session: Session): Promise<void> {
  await session.fs.context.reaper.drain()
}
