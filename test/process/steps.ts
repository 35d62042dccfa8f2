/** Calls of a workload, made on the mount and on the model. */
import { invariant } from '../../src/errors.ts'
import { TYPE_DIRECTORY, TYPE_FILE, TYPE_SYMLINK } from '../../src/store/inode.ts'
import {
  EMPTY,
  type State,
  changeNode,
  inoAt,
  moveName,
  nodeAt,
  removeName,
  NO_XATTRS,
} from '../crash/model.ts'
import { type LooseNode, laterContents } from './compare.ts'
import type { OpenedFile, Session } from './session.ts'
import type { WorkerCommand } from './worker-program.ts'

/** Makes a file and keeps it open. */
export async function create(session: Session, path: string, isAtomic: boolean): Promise<void> {
  const ino = await make(session, { do: 'create', path }, TYPE_FILE | 0o644)
  session.opened.set(path, { ino, isAtomic })
  if (isAtomic) await setXattr(session, path, 'user.atomic', Buffer.from('1'))
}

export async function makeDirectory(session: Session, path: string): Promise<void> {
  await make(session, { do: 'mkdir', path }, TYPE_DIRECTORY | 0o755)
}

export async function makeSymlink(session: Session, path: string, to: string): Promise<void> {
  await make(session, { do: 'symlink', path, to }, TYPE_SYMLINK | 0o777, Buffer.from(to))
}

/** Returns the new inode's number. */
async function make(
  session: Session,
  command: WorkerCommand & { readonly path: string },
  mode: number,
  content: Uint8Array = EMPTY,
): Promise<number> {
  let ino = 0
  await session.step({
    apply: (state) => {
      state.names.set(command.path, ino)
      state.nodes.set(ino, { mode, content, xattrs: NO_XATTRS })
    },
    run: async () => {
      ino = (await session.worker.run(command)).ino ?? 0
    },
  })
  return ino
}

/** Sets the one attribute of what has none. */
export async function setXattr(
  session: Session,
  path: string,
  name: string,
  value: Uint8Array,
): Promise<void> {
  const xattrs = new Map([[name, Buffer.from(value).toString('latin1')]])
  const command = { do: 'setxattr', path, name, data: base64(value) } as const
  await change(session, command, (state, ino) => {
    changeNode(state, ino, { xattrs })
  })
}

export async function changeMode(session: Session, path: string, mode: number): Promise<void> {
  await change(session, { do: 'chmod', path, mode }, (state, ino) => {
    const type = (state.nodes.get(ino)?.mode ?? 0) & ~0o7777
    changeNode(state, ino, { mode: type | mode })
  })
}

export async function unlink(session: Session, path: string): Promise<void> {
  await change(session, { do: 'unlink', path }, (state) => {
    removeName(state, path)
  })
}

export async function link(session: Session, path: string, to: string): Promise<void> {
  await change(session, { do: 'link', path, to }, (state, ino) => state.names.set(to, ino))
}

/** Renames what has nothing staged. */
export async function rename(session: Session, path: string, to: string): Promise<void> {
  await change(session, { do: 'rename', path, to }, (state) => {
    moveName(state, path, to)
  })
  const opened = session.opened.get(path)
  if (opened === undefined) return
  session.opened.delete(path)
  session.opened.set(to, opened)
}

export async function syncDirectory(session: Session, path: string): Promise<void> {
  const run = () => session.worker.run({ do: 'syncdir', path })
  await session.step({ apply: () => undefined, isDurable: true, run })
}

async function change(
  session: Session,
  command: WorkerCommand & { readonly path: string },
  apply: (state: State, ino: number) => void,
): Promise<void> {
  const ino = inoAt(session.oracle.live, command.path)
  await session.step({
    apply: (state) => {
      apply(state, ino)
    },
    run: () => session.worker.run(command),
  })
}

/** Of an atomic file nothing may be seen before it is published, so that is no step. */
export async function write(
  session: Session,
  path: string,
  at: number,
  data: Uint8Array,
): Promise<void> {
  const old = contentNow(session, path)
  const content = Buffer.alloc(Math.max(old.length, at + data.length))
  content.set(old)
  content.set(data, at)
  await stage(session, { do: 'write', path, at, data: base64(data) }, content)
}

export async function truncate(session: Session, path: string, size: number): Promise<void> {
  const content = Buffer.alloc(size)
  content.set(contentNow(session, path).subarray(0, size))
  await stage(session, { do: 'truncate', path, size }, content)
}

async function stage(
  session: Session,
  command: WorkerCommand & { readonly path: string },
  content: Uint8Array,
): Promise<void> {
  const { ino, isAtomic } = fileAt(session, command.path)
  const run = () => session.worker.run(command)
  session.staged.set(ino, content)
  if (isAtomic) await run()
  else {
    const apply = (state: State): void => {
      const node: LooseNode | undefined = state.nodes.get(ino)
      if (node === undefined) return
      const loose: LooseNode = { ...node, later: [...laterContents(node), content] }
      state.nodes.set(ino, loose)
    }
    await session.step({ apply, run })
  }
}

/** Drops what is staged for an atomic file. */
export async function rollback(session: Session, path: string): Promise<void> {
  const { ino, isAtomic } = fileAt(session, path)
  invariant(isAtomic, 'only an atomic file still has all of what was written')
  const name = 'user.atomic.rollback'
  await session.worker.run({ do: 'setxattr', path, name, data: base64(Buffer.from('1')) })
  session.staged.delete(ino)
}

const START_ATOMIC_WRITE = 0xf501
const COMMIT_ATOMIC_WRITE = 0xf502
const ABORT_ATOMIC_WRITE = 0xf505

/** Makes changes of an atomic file in a transaction, or in a part of one. */
export async function inTransaction(
  session: Session,
  path: string,
  end: 'commit' | 'abort',
  work: () => Promise<void>,
): Promise<void> {
  const { ino, isAtomic } = fileAt(session, path)
  invariant(isAtomic, 'of an ordinary file START publishes what is staged')
  const before = session.staged.get(ino)
  await session.worker.run({ do: 'ioctl', path, request: START_ATOMIC_WRITE })
  await work()
  if (end === 'commit') {
    await publish(session, { do: 'ioctl', path, request: COMMIT_ATOMIC_WRITE }, true)
    return
  }
  await session.worker.run({ do: 'ioctl', path, request: ABORT_ATOMIC_WRITE })
  if (before === undefined) session.staged.delete(ino)
  else session.staged.set(ino, before)
}

/** A transaction of SQLite, which says afterwards what is in the file by it. */
export async function transact(session: Session, path: string, round: number): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  let content: Uint8Array = EMPTY
  await session.step({
    apply: (state) => {
      changeNode(state, ino, { content })
    },
    isDurable: true,
    run: async () => {
      const answer = await session.worker.run({ do: 'transact', path, round })
      content = Buffer.from(answer.content ?? '', 'base64')
    },
  })
}

export async function sync(session: Session, path: string): Promise<void> {
  await publish(session, { do: 'sync', path }, true)
}

export async function close(session: Session, path: string): Promise<void> {
  await publish(session, { do: 'close', path }, false)
  session.opened.delete(path)
}

export async function open(session: Session, path: string): Promise<void> {
  const { xattrs } = nodeAt(session.oracle.live, path)
  await session.worker.run({ do: 'open', path })
  const ino = inoAt(session.oracle.live, path)
  session.opened.set(path, { ino, isAtomic: xattrs.get('user.atomic') === '1' })
}

async function publish(
  session: Session,
  command: WorkerCommand & { readonly path: string },
  isDurable: boolean,
): Promise<void> {
  const { ino } = fileAt(session, command.path)
  const content = session.staged.get(ino)
  const apply = (state: State): void => {
    const node = state.nodes.get(ino)
    if (content === undefined || node === undefined) return
    const { mode, xattrs } = node
    state.nodes.set(ino, { mode, xattrs, content })
  }
  await session.step({ apply, isDurable, run: () => session.worker.run(command) })
  session.staged.delete(ino)
}

function contentNow(session: Session, path: string): Uint8Array {
  const { ino } = fileAt(session, path)
  return session.staged.get(ino) ?? nodeAt(session.oracle.live, path).content
}

function fileAt(session: Session, path: string): OpenedFile {
  const file = session.opened.get(path)
  invariant(file !== undefined, `"${path}" is open`)
  return file
}

function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64')
}
