/** Changes of content through open files, on the filesystem and on the model. */
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { invariant } from '../../src/errors.ts'
import { writeRequest } from '../support/volume.ts'
import { type State, changeNode, inoAt, isAtomicNode, nodeAt } from './model.ts'
import type { Session } from './session.ts'

const FALLOCATE_KEEP_SIZE = 0x01
const FALLOCATE_PUNCH_HOLE = 0x02
const FALLOCATE_ZERO_RANGE = 0x10

/** Content that a step refers to, so it must not be changed any more. */
const captured = new WeakSet<Uint8Array>()

export async function write(
  session: Session,
  path: string,
  offset: number,
  data: Uint8Array,
  fromCache = false,
): Promise<void> {
  const { fh, ino } = handle(session, path)
  await session.fs.write(fh, { ...writeRequest(offset, data), fromCache })
  const content = ownContent(session, ino, offset + data.length)
  content.set(data, offset)
  session.staged.set(ino, content)
}

/** Writes one byte of each block: the last block first, then the even ones, then the odd ones. */
export async function scatter(
  session: Session,
  path: string,
  blockCount: number,
  data: Uint8Array,
): Promise<void> {
  const last = blockCount - 1
  for (const first of [last, 0, 1]) {
    for (let block = first; block < blockCount; block += 2) {
      await write(session, path, block * BLOCK_SIZE + 9, data.subarray(block, block + 1))
    }
  }
}

export async function truncate(session: Session, path: string, size: number): Promise<void> {
  const { fh, ino } = handle(session, path)
  await session.fs.setAttributes(ino, { size, fh })
  const content = Buffer.alloc(size)
  content.set(current(session, ino).subarray(0, size))
  session.staged.set(ino, content)
}

/** truncate(2): without an open handle it is a writer that has closed the file again. */
export async function truncateByName(
  session: Session,
  ino: number,
  size: number,
  isOpen: boolean,
): Promise<void> {
  const { fs, oracle, staged } = session
  const content = Buffer.alloc(size)
  content.set(current(session, ino).subarray(0, size))
  const run = (): unknown => fs.setAttributes(ino, { size })
  const policy = oracle.live.nodes.get(ino)?.xattrs.get('user.atomic.onclose') ?? 'publish'
  const isAtomic = isAtomicNode(oracle.live, ino)
  if (!isOpen && (!isAtomic || policy === 'publish')) {
    staged.delete(ino)
    await oracle.step({
      apply: (state) => {
        changeNode(state, ino, { content })
      },
      run,
    })
    return
  }
  await run()
  if (!isOpen && policy === 'discard') staged.delete(ino)
  else staged.set(ino, content)
}

/** Sets a range to zeros; `grows` says whether that may make the file longer. */
export async function zeroRange(
  session: Session,
  path: string,
  offset: number,
  length: number,
  { grows }: { readonly grows: boolean },
): Promise<void> {
  const { fh, ino } = handle(session, path)
  const mode = grows ? FALLOCATE_ZERO_RANGE : FALLOCATE_PUNCH_HOLE | FALLOCATE_KEEP_SIZE
  await session.fs.allocate(fh, mode, offset, length)
  const size = grows ? offset + length : current(session, ino).length
  const content = ownContent(session, ino, size)
  content.fill(0, offset, Math.min(offset + length, content.length))
  session.staged.set(ino, content)
}

/** What is staged now, which will not be changed any more. */
export function capture(session: Session, ino: number): Buffer | undefined {
  const content = session.staged.get(ino)
  if (content !== undefined) captured.add(content)
  return content
}

/**
 * Replaces a file's content by what is staged at the time of this call; in a transaction it is not
 * for others to do so.
 */
export function publishing(session: Session, ino: number): (state: State) => void {
  if (session.transactions.has(ino)) return () => undefined
  const content = capture(session, ino)
  return (state) => {
    if (content === undefined) return
    changeNode(state, ino, { content })
    if (session.staged.get(ino) === content) session.staged.delete(ino)
  }
}

export function contentNow(session: Session, path: string): Uint8Array {
  return (
    session.staged.get(inoAt(session.oracle.live, path)) ??
    nodeAt(session.oracle.live, path).content
  )
}

/** What a reader would see of a file now. */
export function current(session: Session, ino: number): Uint8Array {
  return session.staged.get(ino) ?? session.oracle.live.nodes.get(ino)?.content ?? Buffer.alloc(0)
}

/** Content of a file that may be changed in place: copying it for each write would take too long. */
function ownContent(session: Session, ino: number, size: number): Buffer {
  const staged = session.staged.get(ino)
  if (staged !== undefined && staged.length >= size && !captured.has(staged)) return staged
  const old = current(session, ino)
  const content = Buffer.alloc(Math.max(old.length, size))
  content.set(old)
  return content
}

export function handle(
  session: Session,
  path: string,
): { readonly fh: number; readonly ino: number } {
  const found = session.handles.get(path)
  invariant(found !== undefined, `"${path}" is open`)
  return found
}
