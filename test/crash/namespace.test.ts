/** Goal: names change in order, each change whole or absent, whenever a crash comes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT } from '../support/volume.ts'
import * as attributes from './attribute-steps.ts'
import * as files from './file-steps.ts'
import * as names from './name-steps.ts'
import { inoAt } from './model.ts'
import { BLOCK, TIMEOUT, runWorkload } from './run-workload.ts'
import { assertLive } from './session.ts'

/** Long enough for a record to be more than one sector. */
const LONG = 'n'.repeat(240)

test('names are made, moved and removed in order', TIMEOUT, (t) =>
  runWorkload(t, async (session) => {
    await names.makeDirectory(session, '/d')
    await files.create(session, '/d/a')
    await names.link(session, '/d/a', `/${LONG}`)
    await names.makeSymlink(session, '/s', 'd/a')
    await names.makeDirectory(session, `/d/${LONG}`)
    await names.rename(session, `/d/${LONG}`, '/e')
    await names.rename(session, '/d/a', '/e/b')
    await attributes.changeMode(session, '/e/b', 0o600)
    await attributes.setXattr(session, '/e/b', Buffer.alloc(9000, 'x'))
    await names.fsyncDirectory(session)
    await files.create(session, '/f')
    await names.exchange(session, '/f', '/e/b')
    await names.unlink(session, '/s')
    await names.removeDirectory(session, '/d')
    await names.rename(session, '/e', '/g')
    await names.checkpoint(session)
    await names.unlink(session, '/g/b')
    await names.removeDirectory(session, '/g')
    await names.fsyncDirectory(session)
  }),
)

test('rename() of a staged ordinary file publishes it in the same commit', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.create(session, '/target')
    await files.write(session, '/target', 0, random.bytes(9 * BLOCK))
    await files.fsync(session, '/target')
    for (const blocks of [3, 0, 100]) {
      await files.create(session, '/new')
      if (blocks > 0) await files.write(session, '/new', 0, random.bytes(blocks * BLOCK))
      await names.rename(session, '/new', '/target')
      await files.close(session, '/target')
      await names.reap(session)
    }
    await names.fsyncDirectory(session)
  }),
)

test('rename() whose source goes away meanwhile keeps what is staged', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.create(session, '/a')
    await files.create(session, '/target')
    await names.link(session, '/a', '/kept')
    await files.write(session, '/a', 0, random.bytes(100 * BLOCK))
    await files.write(session, '/a', 3 * BLOCK, random.bytes(100))
    const request = { parent: ROOT, name: 'a', newParent: ROOT, newName: 'target' }
    const renamed = session.fs.rename({ ...request, noReplace: false, exchange: false })
    await Promise.all([
      assert.rejects(async () => renamed, { code: 'ENOENT' }),
      names.unlink(session, '/a'),
    ])
    await assertLive(session)
    await files.fsync(session, '/a')
  }),
)

test('opting in and out publishes what is staged with the flag', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.create(session, '/a')
    for (let round = 0; round < 3; round++) {
      await files.write(session, '/a', round * 5000, random.bytes(6 * BLOCK))
      await files.setAtomic(session, '/a', true)
      await files.write(session, '/a', round * 3000, random.bytes(4 * BLOCK))
      await files.setAtomic(session, '/a', false)
    }
    await names.checkpoint(session)
  }),
)

test('an unlinked open file is reaped after a crash', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    for (const path of ['/a', '/b']) {
      await files.create(session, path)
      await files.write(session, path, 0, random.bytes(80 * BLOCK))
      await files.fsync(session, path)
      const ino = inoAt(session.oracle.live, path)
      await names.unlink(session, path)
      await files.write(session, path, 0, random.bytes(3 * BLOCK))
      await files.fsync(session, path)
      await files.close(session, path)
      files.forget(session, ino)
      if (path === '/a') await names.checkpoint(session)
      await names.reap(session)
    }
    await names.checkpoint(session)
  }),
)

test('removed files are freed several in a commit, between those that have more', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    const paths = Array.from({ length: 6 }, (_, i) => `/${i}`)
    const inos: number[] = []
    for (const path of paths) {
      await files.create(session, path)
      inos.push(inoAt(session.oracle.live, path))
    }
    await files.write(session, '/2', 0, random.bytes(2 * BLOCK))
    await files.fsync(session, '/2')
    await attributes.setXattr(session, '/4', Buffer.from('value'))
    for (const path of paths) await files.close(session, path)
    await names.checkpoint(session)
    for (const path of paths) await names.unlink(session, path)
    for (const ino of inos) files.forget(session, ino)
    const { commitSeq } = session.engine.journal
    await names.reap(session)
    assert.ok(session.engine.journal.commitSeq - commitSeq < paths.length + 2, 'some go together')
    await names.checkpoint(session)
  }),
)

test('ordinary files hold published content of their own only', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    for (const path of ['/a', '/b', '/c']) await files.create(session, path)
    for (let round = 0; round < 3; round++) {
      for (const path of ['/a', '/b', '/c']) {
        await files.write(session, path, random.int(9) * 1500, random.bytes(3 * BLOCK))
      }
      await files.write(session, '/c', 0, random.bytes(80 * BLOCK))
      await files.writeBack(session)
      await files.truncate(session, '/c', 10)
      await files.close(session, '/c')
      await files.open(session, '/c')
    }
    await names.checkpoint(session)
  }),
)
