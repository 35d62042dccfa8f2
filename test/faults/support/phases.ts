/** What a volume does while a call of its device fails: one phase of its life at a time. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as attributes from '../../crash/attribute-steps.ts'
import * as files from '../../crash/file-steps.ts'
import { nodeAt } from '../../crash/model.ts'
import * as names from '../../crash/name-steps.ts'
import { BLOCK } from '../../crash/run-workload.ts'
import type { Session } from '../../crash/session.ts'
import { Random } from '../../support/random.ts'
import { O_RDWR, CALLER, contentOf } from '../../support/volume.ts'
import { type FaultSession, attempt, attemptOnce } from './fault-session.ts'

export interface Phase {
  readonly name: string
  /** Makes what is there before; the volume is closed in order behind it. */
  readonly prepare?: (session: Session) => Promise<void>
  /** Comes before the calls that fail, on the opened volume. */
  readonly stage?: (session: FaultSession) => Promise<void>
  readonly work: (session: FaultSession) => Promise<void>
  /** How many of its reads fail, where all would take too long; other calls all do, in one way each. */
  readonly readCount?: number
  /** Whether a read that fails in it may be the end of the volume, as a write is. */
  readonly isUndone?: boolean
}

const PUNCH = 0x03
const LARGE_BLOCKS = 4200
/** So many single blocks do not fit one record of a small ring. */
const SCATTERED_BLOCKS = 4600

const data = (seed: number, blockCount: number): Uint8Array =>
  new Random(seed).bytes(blockCount * BLOCK)

/** An atomic file, an ordinary one, and one that nobody touches. */
export async function prepareCommon(session: Session): Promise<void> {
  await files.createAtomic(session, '/a')
  await files.create(session, '/o')
  await files.create(session, '/bystander')
  await names.makeDirectory(session, '/d')
  await files.create(session, '/d/f')
  for (const [i, path] of ['/a', '/o', '/bystander', '/d/f'].entries()) {
    await files.write(session, path, 0, data(10 + i, 40))
    await files.fsync(session, path)
    await files.close(session, path)
  }
}

async function openAll(session: FaultSession): Promise<void> {
  for (const path of ['/a', '/o']) await files.open(session, path)
}

async function punch(
  session: FaultSession,
  path: string,
  offset: number,
  length: number,
): Promise<void> {
  const opened = session.handles.get(path)
  if (opened === undefined) throw new Error(`"${path}" is not open`)
  await session.fs.allocate(opened.fh, PUNCH, offset, length)
  const content = Buffer.from(files.contentNow(session, path))
  content.fill(0, offset, offset + length)
  session.staged.set(opened.ino, content)
}

const write = (session: FaultSession, path: string, at: number, bytes: Uint8Array): Promise<void> =>
  attempt(session, `write ${path}`, () => files.write(session, path, at, bytes))

const fsync = (session: FaultSession, path: string): Promise<void> =>
  attempt(session, `fsync ${path}`, () => files.fsync(session, path))

const fsyncDirectory = (session: FaultSession): Promise<void> =>
  attempt(session, 'fsync of a directory', () => names.fsyncDirectory(session))

const checkpoint = (session: FaultSession): Promise<void> =>
  attempt(session, 'checkpoint', () => names.checkpoint(session))

async function staging(session: FaultSession): Promise<void> {
  await write(session, '/a', 5, data(1, 1).subarray(0, 700))
  await write(session, '/a', 7 * BLOCK + 9, data(2, 20))
  await write(session, '/o', 39 * BLOCK + 1, data(3, 2))
  await attempt(session, 'truncate', () => files.truncate(session, '/a', 30 * BLOCK + 77))
  await attempt(session, 'punch', () => punch(session, '/o', 3 * BLOCK - 5, 9 * BLOCK))
  await fsync(session, '/a')
  await fsync(session, '/o')
}

async function spilling(session: FaultSession): Promise<void> {
  await write(session, '/a', 0, data(4, 100))
  await write(session, '/a', 60 * BLOCK, data(5, 80))
  await write(session, '/a', 150 * BLOCK + 3, data(6, 25))
  await write(session, '/a', 20 * BLOCK + 100, data(7, 1))
  await attempt(session, 'read', async () => {
    const opened = session.handles.get('/a')
    await contentOf(session.fs, opened?.ino ?? 0)
  })
  await fsync(session, '/a')
}

async function publishing(session: FaultSession): Promise<void> {
  await fsync(session, '/a')
  await fsync(session, '/o')
  await write(session, '/a', 2 * BLOCK, data(8, 3))
  await close(session, '/a')
  await attempt(session, 'opt in', () => files.setAtomic(session, '/o', true))
  await fsyncDirectory(session)
}

/** What RELEASE does has nobody to tell of its failure but the log. */
async function close(session: FaultSession, path: string): Promise<void> {
  const { fh, ino } = session.handles.get(path) ?? { fh: 0, ino: 0 }
  await attempt(session, 'close', () =>
    session.oracle.step({
      apply: files.publishing(session, ino),
      run: async () => {
        await session.fs.flush(fh, CALLER)
        await session.fs.release(fh)
        session.engine.health.assertDurable()
      },
    }),
  )
  session.handles.delete(path)
}

async function scatter(session: FaultSession): Promise<void> {
  await files.open(session, '/a')
  const block = data(9, 1)
  await files.truncate(session, '/a', 2 * SCATTERED_BLOCKS * BLOCK)
  for (let i = 0; i < SCATTERED_BLOCKS; i++) {
    await files.write(session, '/a', 2 * i * BLOCK, block)
    // The disk takes its turns, so that the memory of what is on its way is used again.
    if (i % 64 === 0) await nextTurn()
  }
}

async function committing(session: FaultSession): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (const path of ['/a', '/o']) await write(session, path, round * BLOCK, data(round, 2))
    await attemptOnce(session, 'group commit', () =>
      session.oracle.step(
        files.fsyncAction(session, '/a'),
        files.fsyncAction(session, '/o'),
        names.makeDirectoryAction(session, `/new${round}`),
      ),
    )
  }
  await fsyncDirectory(session)
}

async function checkpointing(session: FaultSession): Promise<void> {
  await checkpoint(session)
  await write(session, '/a', 30 * BLOCK, data(31, 5))
  await fsync(session, '/a')
  session.engine.checkpointer.start()
  await write(session, '/o', 3 * BLOCK, data(32, 2))
  await fsync(session, '/o')
  await checkpoint(session)
}

async function naming(session: FaultSession): Promise<void> {
  const steps: Record<string, () => Promise<void>> = {
    create: () => files.create(session, '/new'),
    mkdir: () => names.makeDirectory(session, '/d/e'),
    symlink: () => names.makeSymlink(session, '/s', 'target'),
    link: () => names.link(session, '/d/f', '/linked'),
    rename: () => names.rename(session, '/d/f', '/d/e/f'),
    replace: () => names.rename(session, '/linked', '/o'),
    exchange: () => names.exchange(session, '/a', '/d/e/f'),
    chmod: () => attributes.changeMode(session, '/bystander', 0o600),
    setxattr: () => attributes.setXattr(session, '/s', Buffer.from('value')),
    unlink: () => names.unlink(session, '/s'),
    'unlink the last': () => names.unlink(session, '/d/e/f'),
    rmdir: () => names.removeDirectory(session, '/d/e'),
  }
  for (const [name, step] of Object.entries(steps)) await attempt(session, name, step)
  await fsyncDirectory(session)
}

async function reaping(session: FaultSession): Promise<void> {
  await attempt(session, 'truncate', () => files.truncate(session, '/large', 0))
  await fsync(session, '/large')
  await attemptOnce(session, 'reap', () => names.reap(session))
  await attempt(session, 'unlink', () => names.unlink(session, '/gone'))
  const opened = session.handles.get('/gone')
  await attemptOnce(session, 'release', async () => {
    await session.fs.release(opened?.fh ?? 0)
    session.fs.forget(opened?.ino ?? 0, 1)
    await names.reap(session)
  })
  await checkpoint(session)
}

async function rollingBack(session: FaultSession): Promise<void> {
  await attempt(session, 'rollback', () => files.rollback(session, '/a'))
  await write(session, '/a', 100, data(41, 1))
  await fsync(session, '/a')
}

async function reading(session: FaultSession): Promise<void> {
  for (const path of ['/a', '/o', '/bystander', '/d/f']) {
    await attempt(session, `read ${path}`, async () => {
      const node = nodeAt(session.oracle.live, path)
      const ino = session.oracle.live.names.get(path) ?? 0
      const content = await contentOf(session.fs, ino)
      if (!content.equals(node.content)) throw new Error(`"${path}" reads as something else`)
    })
  }
}

async function finishing(session: FaultSession): Promise<void> {
  const { ino } = session.handles.get('/o') ?? { ino: 0 }
  await attemptOnce(session, 'finish', () =>
    session.oracle.step({
      apply: files.publishing(session, ino),
      isDurable: true,
      run: () => session.fs.finish(),
    }),
  )
}

async function stageSome(session: FaultSession): Promise<void> {
  await openAll(session)
  await files.write(session, '/a', 3 * BLOCK + 1, data(21, 4))
  await files.write(session, '/o', 9 * BLOCK, data(22, 40))
}

export const PHASES: readonly Phase[] = [
  { name: 'staging', stage: openAll, work: staging },
  { name: 'staging large', stage: openAll, work: spilling },
  { name: 'publish', stage: stageSome, work: publishing },
  {
    name: 'publish large',
    stage: scatter,
    work: async (session) => fsync(session, '/a'),
    readCount: 2,
    // A new map that is begun has blocks of the fork, and only recovery can take them apart.
    isUndone: false,
  },
  { name: 'group commit', stage: openAll, work: committing },
  {
    name: 'checkpoint',
    stage: async (session) => {
      await stageSome(session)
      await files.fsync(session, '/o')
    },
    work: checkpointing,
  },
  { name: 'names', work: naming },
  {
    name: 'truncate, reap',
    prepare: async (session) => {
      for (const path of ['/large', '/gone']) {
        await files.create(session, path)
        await files.write(session, path, 0, Buffer.alloc(LARGE_BLOCKS * BLOCK, path))
        await files.fsync(session, path)
        await files.close(session, path)
      }
    },
    stage: async (session) => {
      await files.open(session, '/large')
      const gone = session.fs.lookup(1, 'gone')
      const { fh } = await session.fs.open(gone?.ino ?? 0, O_RDWR, CALLER)
      session.handles.set('/gone', { fh, ino: gone?.ino ?? 0 })
    },
    work: reaping,
    readCount: 8,
  },
  { name: 'rollback', stage: stageSome, work: rollingBack },
  { name: 'read', work: reading },
  { name: 'unmount', stage: stageSome, work: finishing },
]
