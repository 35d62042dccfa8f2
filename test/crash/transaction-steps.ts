/** The atomic-write ioctls, on the filesystem and on the model. */
import assert from 'node:assert/strict'
import { FsError } from '../../src/errors.ts'
import { CALLER } from '../support/volume.ts'
import { capture, current, handle, publishing } from './content-steps.ts'
import { expectFull } from './expect.ts'
import { isAtomicNode } from './model.ts'
import type { Session } from './session.ts'

const START = 0xf501
const COMMIT = 0xf502
const ABORT = 0xf505
const REPLACE = 0xf519

async function ioctl(session: Session, name: string, command: number, pid: number): Promise<void> {
  const { fh, ino } = handle(session, name)
  const input = new Uint8Array(0)
  await session.fs.ioctl({ ino, fh, isDirectory: false, command, input }, { ...CALLER, pid })
}

/** START, or START_ATOMIC_REPLACE. Of an ordinary file it publishes what is staged, not durably. */
export async function start(
  session: Session,
  name: string,
  pid: number,
  replaces: boolean,
): Promise<void> {
  const { ino } = handle(session, name)
  const { oracle, staged, transactions } = session
  const begin = (): Promise<void> => ioctl(session, name, replaces ? REPLACE : START, pid)
  const isInside = transactions.has(ino)
  try {
    if (isInside || !staged.has(ino) || isAtomicNode(oracle.live, ino)) await begin()
    else await oracle.step({ apply: publishing(session, ino), run: begin })
  } catch (error) {
    expectFull(error)
    return
  }
  session.canceled.delete(name)
  const transaction = transactions.get(ino) ?? { owner: name, pid, savepoints: [] }
  transaction.pid = pid
  transaction.savepoints.push(capture(session, ino))
  transactions.set(ino, transaction)
  if (replaces && current(session, ino).length > 0) staged.set(ino, Buffer.alloc(0))
}

export async function commitTransaction(
  session: Session,
  name: string,
  pid: number,
): Promise<void> {
  const { ino } = handle(session, name)
  if (session.canceled.delete(name)) {
    await assert.rejects(ioctl(session, name, COMMIT, pid), isCanceled)
    return
  }
  session.transactions.delete(ino)
  await session.oracle.step({
    apply: publishing(session, ino),
    isDurable: true,
    run: () => ioctl(session, name, COMMIT, pid),
  })
}

export async function abort(session: Session, name: string, pid: number): Promise<void> {
  const { ino } = handle(session, name)
  await ioctl(session, name, ABORT, pid)
  session.canceled.delete(name)
  const savepoints = session.transactions.get(ino)?.savepoints
  if (savepoints === undefined) return
  restore(session, ino, savepoints.pop())
  if (savepoints.length === 0) session.transactions.delete(ino)
}

/** Whoever has begun the transaction is gone: the model returns to its first START. */
export function abandon(session: Session, ino: number): void {
  const transaction = session.transactions.get(ino)
  if (transaction === undefined) return
  session.transactions.delete(ino)
  restore(session, ino, transaction.savepoints[0])
}

function restore({ staged }: Session, ino: number, content: Buffer | undefined): void {
  if (content === undefined) staged.delete(ino)
  else staged.set(ino, content)
}

function isCanceled(error: unknown): boolean {
  return error instanceof FsError && error.code === 'ECANCELED'
}
