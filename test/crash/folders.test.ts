/**
 * Goal: a folder is the old one or the new one, whole, whenever a crash comes: while it is copied, worked
 * on, committed, and while the other one is removed; and nothing of the other one is left.
 */
import { test } from 'node:test'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { Random } from '../support/random.ts'
import { CALLER, O_RDWR, O_TRUNC, createFile, writeRequest } from '../support/volume.ts'
import * as attributes from './attribute-steps.ts'
import * as files from './file-steps.ts'
import * as folders from './folder-steps.ts'
import * as names from './name-steps.ts'
import { BLOCK, TIMEOUT, runWorkload } from './run-workload.ts'
import type { Session } from './session.ts'

const LONG = 'n'.repeat(240)

async function makeFolder(session: Session, random: Random): Promise<void> {
  await names.makeDirectory(session, '/f')
  await names.makeDirectory(session, '/f/sub')
  await names.makeDirectory(session, `/f/sub/${LONG}`)
  for (const [path, blocks] of [
    ['/f/a', 3],
    ['/f/sub/b', 70],
    [`/f/sub/${LONG}/c`, 1],
  ] as const) {
    await files.create(session, path)
    await files.write(session, path, 0, random.bytes(blocks * BLOCK + 5))
    await files.close(session, path)
  }
  await names.link(session, '/f/a', '/f/sub/linked')
  await names.link(session, '/f/a', '/outside')
  await names.makeSymlink(session, '/f/link', 'sub/b')
  await attributes.setXattr(session, '/f/sub/b', Buffer.alloc(9000, 'x'))
}

async function write(fs: Filesystem, ino: number, at: number, data: Uint8Array): Promise<void> {
  const { fh } = await fs.open(ino, O_RDWR, CALLER)
  await fs.write(fh, writeRequest(at, data))
  await fs.flush(fh, CALLER)
  await fs.release(fh)
}

async function inoIn(fs: Filesystem, parent: number, name: string): Promise<number> {
  const found = fs.lookup(parent, name)
  if (found === undefined) throw new Error(`There is no "${name}"`)
  fs.forget(found.ino, 1)
  return found.ino
}

async function addFile(fs: Filesystem, parent: number, name: string, data: Uint8Array) {
  const { ino, fh } = await createFile(fs, parent, name)
  await fs.write(fh, writeRequest(0, data))
  await fs.flush(fh, CALLER)
  await fs.release(fh)
  fs.forget(ino, 1)
}

/** Overwrites, adds and removes. */
const rework =
  (random: Random): folders.Work =>
  async (fs, copy) => {
    const sub = await inoIn(fs, copy, 'sub')
    await write(fs, await inoIn(fs, sub, 'b'), 2 * BLOCK + 9, random.bytes(2 * BLOCK))
    await addFile(fs, sub, 'new', random.bytes(5 * BLOCK))
    await fs.unlink(copy, 'a')
    const { ino, fh } = await createFile(fs, copy, 'made')
    fs.forget(ino, 1)
    // Open to the end, and published by the commit.
    await fs.write(fh, writeRequest(0, random.bytes(40 * BLOCK)))
  }

test('a folder is replaced, and the old one removed', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await makeFolder(session, random)
      await names.checkpoint(session)
      await folders.changeFolder(session, '/f', rework(random.fork()))
      await names.reap(session)
      await files.open(session, '/f/sub/b')
      await files.write(session, '/f/sub/b', 7, random.bytes(3 * BLOCK))
      await files.fsync(session, '/f/sub/b')
      await names.checkpoint(session)
    },
    { momentCount: 100 },
  ),
)

test('a folder is copied while its content waits in the ring', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await makeFolder(session, random)
      const begun = await folders.copyFolder(session, '/f', rework(random.fork()))
      await files.open(session, '/f/sub/b')
      await files.write(session, '/f/sub/b', 0, random.bytes(9 * BLOCK))
      await files.fsync(session, '/f/sub/b')
      await names.checkpoint(session)
      folders.abandonFolder(session, begun)
      await names.reap(session)
      await files.write(session, '/f/sub/b', 3 * BLOCK, random.bytes(9 * BLOCK))
      await files.fsync(session, '/f/sub/b')
      await names.checkpoint(session)
    },
    { momentCount: 100 },
  ),
)

test('the writer of an atomic file goes on beside a copy of it', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await names.makeDirectory(session, '/f')
      await files.createAtomic(session, '/f/a')
      await files.write(session, '/f/a', 0, random.bytes(9 * BLOCK))
      await files.fsync(session, '/f/a')
      await files.write(session, '/f/a', 2 * BLOCK, random.bytes(3 * BLOCK))
      const begun = await folders.copyFolder(session, '/f', async () => undefined)
      await files.fsync(session, '/f/a')
      await names.checkpoint(session)
      await files.write(session, '/f/a', BLOCK, random.bytes(3 * BLOCK))
      await files.fsync(session, '/f/a')
      folders.abandonFolder(session, begun)
      await names.reap(session)
      await files.write(session, '/f/a', BLOCK, random.bytes(3 * BLOCK))
      await files.fsync(session, '/f/a')
      await names.checkpoint(session)
    },
    { momentCount: 100 },
  ),
)

test('folders are replaced again and again', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await makeFolder(session, random)
      for (let round = 0; round < 4; round++) {
        await folders.changeFolder(session, '/f/sub', async (fs, copy) => {
          const ino = await inoIn(fs, copy, 'b')
          const { fh } = await fs.open(ino, O_RDWR | (round % 2 === 0 ? O_TRUNC : 0), CALLER)
          await fs.write(fh, writeRequest(round * BLOCK, random.bytes(20 * BLOCK)))
          await fs.release(fh)
          await addFile(fs, copy, `round-${round}`, random.bytes(100))
        })
        if (round === 1) await names.checkpoint(session)
        if (round === 2) await names.reap(session)
      }
    },
    { momentCount: 80 },
  ),
)
