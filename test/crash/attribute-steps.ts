/** Modes and extended attributes, set on the filesystem and on the model. */
import { changeNode, changeXattr, inoAt, nodeAt } from './model.ts'
import { checkpoint } from './name-steps.ts'
import type { Session } from './session.ts'

export async function changeMode(session: Session, path: string, mode: number): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  const type = nodeAt(session.oracle.live, path).mode & ~0o7777
  await session.oracle.step({
    apply: (state) => {
      changeNode(state, ino, { mode: type | mode })
    },
    run: () => session.fs.setAttributes(ino, { mode }),
  })
}

export async function setXattr(
  session: Session,
  path: string,
  value: Uint8Array,
  name = 'user.test',
): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  await session.oracle.step({
    apply: (state) => {
      changeXattr(state, ino, name, Buffer.from(value).toString('latin1'))
    },
    run: () => session.fs.setXattr(ino, name, value, 0),
  })
}

export async function removeXattr(session: Session, path: string, name: string): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  await session.oracle.step({
    apply: (state) => {
      changeXattr(state, ino, name)
    },
    run: () => session.fs.removeXattr(ino, name),
  })
}

export async function setOnClose(session: Session, path: string, policy: string): Promise<void> {
  const ino = inoAt(session.oracle.live, path)
  await session.oracle.step({
    apply: (state) => {
      changeXattr(state, ino, 'user.atomic.onclose', policy === 'publish' ? undefined : policy)
    },
    run: () => session.fs.setXattr(ino, 'user.atomic.onclose', Buffer.from(policy), 0),
  })
}

const FILL_BYTES = 50_000
const FILL_COUNT = 8

/** Sets large attributes of one inode, so many bytes in all, with a checkpoint after some each. */
export async function fill(session: Session, path: string, sizeBytes: number): Promise<void> {
  for (let done = 0, i = 0; done < sizeBytes; done += FILL_BYTES, i++) {
    const length = Math.min(FILL_BYTES, sizeBytes - done)
    const value = Buffer.alloc(length, `${session.oracle.stepCount} `)
    await setXattr(session, path, value, `user.fill${i % FILL_COUNT}`)
    if (i % FILL_COUNT === FILL_COUNT - 1) await checkpoint(session)
  }
}
