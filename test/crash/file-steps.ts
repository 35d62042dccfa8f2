/** Calls on open files, made on the filesystem and on the model. */
import { TYPE_FILE } from '../../src/store/inode.ts'
import { CALLER, O_RDWR, O_TRUNC } from '../support/volume.ts'
import { current, handle, publishing } from './content-steps.ts'
import { changeXattr, inheritedXattrs, inoAt, isAtomicNode } from './model.ts'
import type { Action } from './oracle.ts'
import type { Session } from './session.ts'

export * from './content-steps.ts'

/** Creates a file at the root or in a directory and keeps it open. */
export async function create(session: Session, path: string, name = path): Promise<void> {
  const { fs, oracle, handles } = session
  const [parent, last] = split(session, path)
  let ino = 0
  const mode = TYPE_FILE | 0o644
  const xattrs = inheritedXattrs(oracle.live, parent)
  await oracle.step({
    apply: (state) => {
      state.names.set(path, ino)
      state.nodes.set(ino, { mode, content: Buffer.alloc(0), xattrs })
    },
    run: async () => {
      const { attributes, opened } = await fs.create(parent, last, 0o644, O_RDWR, CALLER)
      ino = attributes.ino
      handles.set(name, { fh: opened.fh, ino })
    },
  })
}

/** The same, opted in. */
export async function createAtomic(session: Session, path: string): Promise<void> {
  await create(session, path)
  await setAtomic(session, path, true)
}

export async function open(
  session: Session,
  path: string,
  truncates = false,
  name = path,
): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  const flags = O_RDWR | (truncates ? O_TRUNC : 0)
  const { fh } = await session.fs.open(ino, flags, CALLER)
  session.handles.set(name, { fh, ino })
  if (truncates && current(session, ino).length > 0) session.staged.set(ino, Buffer.alloc(0))
}

export async function fsync(session: Session, ...paths: readonly string[]): Promise<void> {
  await session.oracle.step(...paths.map((path) => fsyncAction(session, path)))
}

/** An fsync, to run together with others. */
export function fsyncAction(session: Session, path: string): Action {
  const { fh, ino } = handle(session, path)
  return {
    apply: publishing(session, ino),
    isDurable: true,
    run: async () => session.fs.fsync(fh),
  }
}

/** A close by which a file, atomic or not, is published; durable with what comes after. */
export async function close(session: Session, path: string): Promise<void> {
  const { fh, ino } = handle(session, path)
  await session.oracle.step({
    apply: publishing(session, ino),
    run: async () => {
      await session.fs.flush(fh, CALLER)
      await session.fs.release(fh)
    },
  })
  session.handles.delete(path)
}

/** Drops the kernel's reference that create has made. */
export function forget(session: Session, ino: number): void {
  session.fs.forget(ino, 1)
}

export async function setAtomic(session: Session, path: string, enable: boolean): Promise<void> {
  await setAtomicTo(session, path, enable ? '1' : undefined)
}

export async function setAtomicTo(
  session: Session,
  path: string,
  value: string | undefined,
): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  const before = session.oracle.live.nodes.get(ino)?.xattrs.get('user.atomic')
  const publish = before === value ? () => undefined : publishing(session, ino)
  await session.oracle.step({
    apply: (state) => {
      publish(state)
      changeXattr(state, ino, 'user.atomic', value)
    },
    run: () => session.fs.setXattr(ino, 'user.atomic', Buffer.from(value ?? '0'), 0),
  })
}

export async function rollback(session: Session, path: string): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  await session.fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0)
  session.staged.delete(ino)
  const transaction = session.transactions.get(ino)
  if (transaction !== undefined) session.canceled.add(transaction.owner)
  session.transactions.delete(ino)
}

/** `user.atomic.commit`: publishes, and is durable, as fsync is. */
export async function commit(session: Session, path: string): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  await session.oracle.step({
    apply: publishing(session, ino),
    isDurable: true,
    run: () => session.fs.setXattr(ino, 'user.atomic.commit', Buffer.from('1'), 0),
  })
}

/** `user.atomic.commit` of the root with the names of files: one step, whatever they are. */
export async function commitTogether(session: Session, paths: readonly string[]): Promise<void> {
  const { fs, oracle } = session
  const publishes = [...new Set(paths)].map((path) => publishing(session, inoAt(oracle.live, path)))
  const names = paths.map((path) => path.slice(1)).join('\n')
  await oracle.step({
    apply: (state) => {
      for (const publish of publishes) publish(state)
    },
    isDurable: true,
    run: () => fs.setXattr(1, 'user.atomic.commit', Buffer.from(names, 'latin1'), 0),
  })
}

/** The periodic writeback: every ordinary file by itself. */
export async function writeBack(session: Session): Promise<void> {
  const { live } = session.oracle
  const inos = [...session.staged.keys()].filter(
    (ino) => live.nodes.has(ino) && !isAtomicNode(live, ino) && !session.transactions.has(ino),
  )
  let underWay: Promise<void> | undefined
  const actions = inos.map((ino): Action => ({
    apply: publishing(session, ino),
    run: () => (underWay ??= session.fs.writeBack()),
  }))
  if (actions.length > 0) await session.oracle.step(...actions)
}

export function split(session: Session, path: string): [parent: number, name: string] {
  const at = path.lastIndexOf('/')
  return [inoAt(session.oracle.live, path.slice(0, at)), path.slice(at + 1)]
}
