/** What the disk does not read of one file is the trouble of that file alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../support/random.ts'
import * as files from '../crash/file-steps.ts'
import * as names from '../crash/name-steps.ts'
import { judge } from '../crash/judge.ts'
import { type State, changeNode, cloneState, inoAt, nodeAt } from '../crash/model.ts'
import { crashImages } from '../support/devices/crash-images.ts'
import { BLOCK } from '../crash/run-workload.ts'
import { type FaultSession, openFaultSession } from './support/fault-session.ts'
import { prepare } from './support/run-case.ts'

const TEST = { timeout: 30_000 }
const LARGE = new Random(1).bytes(100 * BLOCK)

const start = await prepare({
  prepare: async (session) => {
    for (const path of ['/large', '/other']) {
      await files.create(session, path)
      await files.write(session, path, 0, LARGE)
      await files.fsync(session, path)
      await files.close(session, path)
    }
  },
})

/** What the next mount finds, and that it leaves nothing behind. */
async function judgeEnd({ device }: FaultSession, expected: State): Promise<void> {
  const random = new Random(2)
  for (const image of crashImages(device.log, device.log.events.length, random)) {
    await judge(image.name, image.device, [expected])
  }
}

test('writeBack() publishes all files but the one whose map cannot be read', TEST, async () => {
  const session = await openFaultSession(start.disk.clone(), start.state)
  const { fs, faulty } = session
  for (const path of ['/large', '/o']) await files.open(session, path)
  const { ino } = session.handles.get('/large') ?? { ino: 0 }
  const other = session.handles.get('/o')?.ino ?? 0
  await files.truncate(session, '/large', BLOCK)
  await files.write(session, '/o', 0, Buffer.from('new'))
  faulty.failNext({ kind: 'index.get', result: 'EIO' })
  await assert.rejects(fs.writeBack(), { code: 'EIO' })
  assert.ok(fs.context.files.find(ino)?.shadow !== undefined, 'it stays staged')
  assert.equal(fs.context.files.find(other)?.shadow, undefined, 'the other one is published')
  await fs.writeBack()
  assert.equal(fs.context.files.find(ino)?.shadow, undefined)
})

test('finish() stores all but the file whose map cannot be read, and says so', TEST, async () => {
  const session = await openFaultSession(start.disk.clone(), start.state)
  for (const path of ['/large', '/o']) await files.open(session, path)
  await files.truncate(session, '/large', BLOCK)
  await files.write(session, '/o', 0, Buffer.from('new'))
  session.faulty.failNext({ kind: 'index.get', result: 'EIO' })
  await assert.rejects(session.fs.finish(), { code: 'EIO' })
  assert.equal(session.engine.journal.usedBlocks, 0, 'the checkpoint has run')
  const expected = cloneState(start.state)
  const content = Buffer.from(nodeAt(expected, '/o').content)
  content.set(Buffer.from('new'))
  changeNode(expected, inoAt(expected, '/o'), { content })
  await judgeEnd(session, expected)
})

test('Reaper frees all orphans but the one whose map cannot be read', TEST, async () => {
  const session = await openFaultSession(start.disk.clone(), start.state)
  const { fs, faulty, engine } = session
  const inos = ['large', 'other'].map((name) => fs.lookup(1, name)?.ino ?? 0)
  for (const path of ['/large', '/other']) await names.unlink(session, path)
  faulty.failNext({ kind: 'index.range', result: 'EIO' })
  for (const ino of inos) fs.forget(ino, 1)
  await assert.rejects(fs.context.reaper.drain(), { code: 'EIO' })
  assert.deepEqual(
    inos.map((ino) => engine.inodes.find(ino) !== undefined),
    [true, false],
  )
  await fs.finish()
  // The next mount frees the first one.
  await judgeEnd(session, session.oracle.live)
})
