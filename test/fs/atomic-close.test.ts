/**
 * Goal: what an atomic file is after its last writer is gone depends on the policy and on how the
 * writer ended, and on nothing else. Method: every policy with every end, with one writer and more.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import type { ProcessState } from '../../src/fs/process-text.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, fileWith, isStaged, openFile, refuses, setXattr, text, writeText } from './fixture.ts' // prettier-ignore

const WRITER = 100
const OTHER = 200
const POLICIES = ['publish', 'discard', 'keep'] as const
const ENDS: readonly ProcessState[] = ['running', 'exited', 'unknown', 'died']

async function atomicFile(policy: string) {
  const opened = await v.freshFilesystem()
  const ino = await fileWith(opened.fs, 'a', 'old')
  await setXattr(opened.fs, ino, 'user.atomic', '1')
  await setXattr(opened.fs, ino, 'user.atomic.onclose', policy)
  return { ...opened, ino }
}

function expected(policy: string, end: ProcessState): { content: string; staged: boolean } {
  if (end === 'died' || policy === 'discard') return { content: 'old', staged: false }
  return { content: 'new', staged: policy === 'keep' }
}

for (const policy of POLICIES) {
  for (const end of ENDS) {
    test(`onclose=${policy}, and the only writer is ${end}`, TIMEOUT, async () => {
      const { fs, processes, ino } = await atomicFile(policy)
      const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
      await writeText(fs, fh, 'new')
      processes.states.set(WRITER, end)
      await fs.flush(fh, { ...v.CALLER, pid: WRITER })
      const { content, staged } = expected(policy, end)
      assert.equal(await text(fs, ino), end === 'died' ? 'old' : 'new', 'death counts at once')
      await fs.release(fh)
      assert.equal(await text(fs, ino), content)
      assert.equal(await isStaged(fs, ino), staged)
    })

    test(
      `onclose=${policy}, another writer closes first, the last is ${end}`,
      TIMEOUT,
      async () => {
        const { fs, processes, ino } = await atomicFile(policy)
        const first = await openFile(fs, ino, v.O_RDWR, OTHER)
        const last = await openFile(fs, ino, v.O_RDWR, WRITER)
        await writeText(fs, first, 'new')
        await close(fs, first, OTHER)
        assert.equal(await isStaged(fs, ino), true, 'a writer remains')
        processes.states.set(WRITER, end)
        await close(fs, last, WRITER)
        const { content, staged } = expected(policy, end)
        assert.equal(await text(fs, ino), content)
        assert.equal(await isStaged(fs, ino), staged)
      },
    )
  }

  test(`onclose=${policy}, one of two writers dies`, TIMEOUT, async () => {
    const { fs, processes, ino } = await atomicFile(policy)
    const dying = await openFile(fs, ino, v.O_RDWR, OTHER)
    const last = await openFile(fs, ino, v.O_RDWR, WRITER)
    await writeText(fs, dying, 'new')
    processes.states.set(OTHER, 'died')
    await close(fs, dying, OTHER)
    assert.equal(await isStaged(fs, ino), true)
    await close(fs, last, WRITER)
    assert.equal(await text(fs, ino), expected(policy, 'running').content)
  })
}

test('a descriptor that is closed first publishes nothing', TIMEOUT, async () => {
  const { fs, ino } = await atomicFile('publish')
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  await fs.flush(fh, { ...v.CALLER, pid: OTHER })
  await writeText(fs, fh, 'new')
  await fs.flush(fh, { ...v.CALLER, pid: OTHER })
  assert.equal(await isStaged(fs, ino), true)
  await close(fs, fh, WRITER)
  assert.equal(await isStaged(fs, ino), false)
  assert.equal(await text(fs, ino), 'new')
})

test('a death leaves the fork to a process that has the same handle', TIMEOUT, async () => {
  const { fs, processes, ino } = await atomicFile('publish')
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  await writeText(fs, fh, 'new')
  processes.states.set(OTHER, 'died')
  processes.otherWriter = true
  await fs.flush(fh, { ...v.CALLER, pid: OTHER })
  assert.equal(await text(fs, ino), 'new')
  processes.otherWriter = false
  await close(fs, fh, WRITER)
  assert.equal(await text(fs, ino), 'new')
  assert.equal(await isStaged(fs, ino), false)
})

test('a process that dies with the file only mapped discards', TIMEOUT, async () => {
  const { fs, processes, ino } = await atomicFile('publish')
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  processes.mapping.add(WRITER)
  await fs.flush(fh, { ...v.CALLER, pid: WRITER })
  await writeText(fs, fh, 'new')
  processes.states.set(WRITER, 'died')
  await fs.release(fh)
  assert.equal(await text(fs, ino), 'old')
})

test('a process that closes and then exits with an error has closed', TIMEOUT, async () => {
  const { fs, processes, ino } = await atomicFile('publish')
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  await writeText(fs, fh, 'new')
  await fs.flush(fh, { ...v.CALLER, pid: WRITER })
  processes.states.set(WRITER, 'died')
  await fs.release(fh)
  assert.equal(await text(fs, ino), 'new')
})

test('a truncate by name while the last handle is being closed is published', TIMEOUT, async () => {
  const { fs, ino } = await atomicFile('publish')
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  await writeText(fs, fh, 'new')
  await fs.flush(fh, { ...v.CALLER, pid: WRITER })
  const releasing = fs.release(fh)
  await fs.setAttributes(ino, { size: 1 })
  await releasing
  assert.equal(await text(fs, ino), 'n')
  assert.equal(await isStaged(fs, ino), false)
})

test('two handles that are closed at once publish what both have written', TIMEOUT, async () => {
  const { fs, ino } = await atomicFile('publish')
  const first = await openFile(fs, ino, v.O_RDWR, WRITER)
  const second = await openFile(fs, ino, v.O_RDWR, OTHER)
  await writeText(fs, first, 'new')
  await fs.flush(first, { ...v.CALLER, pid: WRITER })
  await fs.flush(second, { ...v.CALLER, pid: OTHER })
  await Promise.all([fs.release(first), fs.release(second)])
  assert.equal(await text(fs, ino), 'new')
  assert.equal(await isStaged(fs, ino), false)
})

test('readers decide nothing', TIMEOUT, async () => {
  const { fs, processes, ino } = await atomicFile('publish')
  const writer = await openFile(fs, ino, v.O_RDWR, WRITER)
  const reader = await openFile(fs, ino, 0, OTHER)
  await writeText(fs, writer, 'new')
  processes.states.set(OTHER, 'died')
  await close(fs, reader, OTHER)
  assert.equal(await isStaged(fs, ino), true)
})

test('death of the writer of an ordinary file publishes', TIMEOUT, async () => {
  const { fs, processes } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeText(fs, fh, 'new')
  processes.states.set(WRITER, 'died')
  await close(fs, fh, WRITER)
  assert.equal(await text(fs, ino), 'new')
})

/** A device that can no longer grow, so that the next write that needs a block is lost. */
async function loseCachedWrite(policy: string) {
  const opened = await atomicFile(policy)
  const { fs, volume, ino } = opened
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  await writeText(fs, fh, 'new')
  const { blocks } = volume.engine.store.device
  const free = volume.engine.store.allocator.availableCount
  volume.engine.store.allocator.reserve(free)
  Object.defineProperty(blocks, 'grow', {
    value: () => {
      throw new FsError('ENOSPC', 'full')
    },
  })
  const request = { ...v.writeRequest(4096, Buffer.from('lost')), fromCache: true }
  await refuses('ENOSPC', () => fs.write(fh, request))
  return { ...opened, fh }
}

test('a lost cached write makes publishing fail until a rollback', TIMEOUT, async () => {
  const { fs, ino, fh } = await loseCachedWrite('publish')
  assert.match(Buffer.from(await fs.getXattr(ino, 'user.atomic.state')).toString(), /broken=ENOSPC/)
  await refuses('ENOSPC', () => fs.fsync(fh))
  await refuses('ENOSPC', () => setXattr(fs, ino, 'user.atomic.commit', '1'))
  await refuses('ENOSPC', () => setXattr(fs, ino, 'user.atomic', '0'))
  await setXattr(fs, ino, 'user.atomic.rollback', '1')
  assert.equal(await text(fs, ino), 'old')
  await writeText(fs, fh, 'fix')
  await fs.fsync(fh)
  assert.equal(await text(fs, ino), 'fix')
})

test('closing after a lost cached write leaves the old file', TIMEOUT, async () => {
  const { fs, ino, fh } = await loseCachedWrite('publish')
  await close(fs, fh, WRITER)
  assert.equal(await text(fs, ino), 'old')
  assert.equal(await isStaged(fs, ino), false)
})

test('an fsync of something else covers what was closed before it', TIMEOUT, async () => {
  const { fs, device, volume, ino } = await atomicFile('publish')
  await fs.fsyncDirectory()
  const other = await v.createFile(fs, v.ROOT, 'other')
  const fh = await openFile(fs, ino, v.O_RDWR, WRITER)
  await writeText(fs, fh, 'new')
  await fs.flush(fh, v.CALLER)
  const { journal } = volume.engine
  // The publish of the close has to wait for its turn, as behind the flush of somebody else.
  const turn = { hasCome: false }
  const hasRoom = journal.hasRoom.bind(journal)
  const room = journal.room.bind(journal)
  journal.hasRoom = (...parameters) => turn.hasCome && hasRoom(...parameters)
  journal.room = async (...parameters) => {
    while (!turn.hasCome) await new Promise(setImmediate)
    await room(...parameters)
  }
  const released = fs.release(fh)
  const synced = [fs.fsyncDirectory(), fs.fsync(other.fh)]
  await new Promise(setImmediate)
  turn.hasCome = true
  await Promise.all(synced)
  const { fs: again } = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.equal(await text(again, ino), 'new')
  await released
})
