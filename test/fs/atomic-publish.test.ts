import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  close,
  directory,
  fileWith,
  isStaged,
  openFile,
  refuses,
  renameRequest,
  setXattr,
  stat,
  text,
  writeText,
} from './fixture.ts'

type Fresh = Awaited<ReturnType<typeof v.freshFilesystem>>

/** What the file would be after the death of the daemon. */
async function afterKill({ device }: Fresh, ino: number): Promise<string> {
  const { fs } = await v.openTestFilesystem(new MemoryDevice(device.image()))
  return text(fs, ino)
}

/** An open atomic file that holds "old", with "new content" staged over it. */
async function stagedFile(opened: Fresh, name = 'a'): Promise<{ ino: number; fh: number }> {
  const { fs } = opened
  const ino = await fileWith(fs, name, 'old')
  await setXattr(fs, ino, 'user.atomic', '1')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'new content')
  return { ino, fh }
}

test('staged content is seen by all openers and not by the disk', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { ino } = await stagedFile(opened)
  assert.equal(await text(opened.fs, ino), 'new content')
  assert.equal((await stat(opened.fs, ino)).size, 11)
  assert.equal(await afterKill(opened, ino), 'old')
})

test('fsync() and user.atomic.commit publish an atomic file', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const points: ((ino: number, fh: number) => Promise<void>)[] = [
    async (_ino, fh) => fs.fsync(fh),
    async (ino) => setXattr(fs, ino, 'user.atomic.commit', '1'),
    async (ino) => setXattr(fs, ino, 'user.atomic.commit', ''),
  ]
  for (const [i, point] of points.entries()) {
    const { ino, fh } = await stagedFile(opened, `a${i}`)
    await point(ino, fh)
    assert.equal(await isStaged(fs, ino), false)
    assert.equal(await afterKill(opened, ino), 'new content')
    await writeText(fs, fh, 'again')
    assert.equal(await afterKill(opened, ino), 'new content')
  }
})

test('an fsync on behalf of who was killed publishes no atomic file', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, processes } = opened
  const { ino, fh } = await stagedFile(opened)
  const caller = { ...v.CALLER, pid: 100 }
  processes.killed.add(caller.pid)
  await refuses('EINTR', () => fs.fsync(fh, false, caller))
  assert.equal(await isStaged(fs, ino), true)
  assert.equal(await afterKill(opened, ino), 'old')
  await fs.fsync(fh, false, { ...caller, pid: 101 })
  assert.equal(await afterKill(opened, ino), 'new content')
  await fs.fsync(fh, false, caller)
})

test('nothing else publishes an atomic file', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const { ino, fh } = await stagedFile(opened)
  await fs.writeBack()
  await fs.fsyncDirectory()
  const other = await openFile(fs, await fileWith(fs, 'other', 'x'))
  await fs.fsync(other)
  await volume.engine.checkpointer.run()
  await fs.flush(fh, v.CALLER)
  await fs.setAttributes(ino, { mode: 0o600 })
  await setXattr(fs, ino, 'user.mine', 'x')
  await fs.link(ino, v.ROOT, 'b')
  const reader = await openFile(fs, ino, 0)
  await close(fs, reader)
  assert.equal(await isStaged(fs, ino), true)
  assert.equal(await afterKill(opened, ino), 'old')
  assert.equal(await text(fs, ino), 'new content')
})

test('the end of the mount drops what atomic files have staged', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { ino } = await stagedFile(opened)
  await opened.fs.finish()
  const { fs, volume } = await v.openTestFilesystem(opened.device)
  assert.equal(await text(fs, ino), 'old')
  assert.equal(volume.engine.store.allocator.mappedCount, 1)
})

test('a rollback restores content and size', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const old = 'x'.repeat(10_000)
  const ino = await fileWith(fs, 'a', old)
  await setXattr(fs, ino, 'user.atomic', '1')
  const fh = await openFile(fs, ino)
  const changes: (() => unknown)[] = [
    () => writeText(fs, fh, 'y', 5000),
    () => writeText(fs, fh, 'y', 50_000),
    () => fs.write(fh, v.writeRequest(4096, Buffer.alloc(1 << 20, 1))),
    () => fs.setAttributes(ino, { size: 1, fh }),
    () => fs.setAttributes(ino, { size: 20_000, fh }),
    () => openFile(fs, ino, v.O_RDWR | v.O_TRUNC),
  ]
  for (const change of changes) {
    await change()
    assert.equal(await isStaged(fs, ino), true)
    await setXattr(fs, ino, 'user.atomic.rollback', '1')
    assert.equal(await isStaged(fs, ino), false)
    assert.equal((await stat(fs, ino)).size, old.length)
    assert.equal(await text(fs, ino), old)
  }
  await setXattr(fs, ino, 'user.atomic.rollback', '1')
  await fs.fsync(fh)
  assert.equal(await afterKill(opened, ino), old)
})

test('a name that goes at any moment of a publish is gone', TIMEOUT, async () => {
  for (const takeName of ['unlink', 'rename'] as const) {
    for (let turns = 0; turns < 30; turns++) {
      const opened = await v.freshFilesystem()
      const { fs } = opened
      const { ino, fh } = await stagedFile(opened)
      await fileWith(fs, 'b', 'other')
      const published = fs.fsync(fh)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      const taken =
        takeName === 'unlink' ? fs.unlink(v.ROOT, 'a') : fs.rename(renameRequest('b', 'a'))
      await Promise.all([published, taken])
      assert.equal((await stat(fs, ino)).nlink, 0, `${takeName} after ${turns} turns`)
      assert.equal(await text(fs, ino), 'new content')
    }
  }
})

test('publishing with nothing staged makes no commit', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const { ino, fh } = await stagedFile(opened)
  await fs.fsync(fh)
  const { commitSeq } = volume.engine.journal
  await fs.fsync(fh)
  await setXattr(fs, ino, 'user.atomic.commit', '1')
  assert.equal(volume.engine.journal.commitSeq, commitSeq)
})

test('an ordinary file is published by fsync, flush, release and write-back', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const points: ((fh: number) => Promise<void>)[] = [
    async (fh) => fs.fsync(fh),
    async (fh) => fs.flush(fh, v.CALLER),
    async (fh) => fs.release(fh),
    async () => fs.writeBack(),
    async () => fs.finish(),
  ]
  for (const [i, point] of points.entries()) {
    const { ino, fh } = await v.createFile(fs, v.ROOT, `a${i}`)
    await writeText(fs, fh, 'content')
    assert.equal(await afterKill(opened, ino), '')
    await point(fh)
    assert.equal(await afterKill(opened, ino), 'content')
  }
})

test(
  'renaming a staged ordinary file over another publishes it, in one commit',
  TIMEOUT,
  async () => {
    const opened = await v.freshFilesystem()
    const { fs, volume } = opened
    const replaced = await fileWith(fs, 'target', 'old')
    const { ino, fh } = await v.createFile(fs, v.ROOT, 'temporary')
    await writeText(fs, fh, 'new')
    const { commitSeq } = volume.engine.journal
    await fs.rename(renameRequest('temporary', 'target'))
    assert.equal(volume.engine.journal.commitSeq, commitSeq + 1)
    assert.equal(await afterKill(opened, ino), 'new')
    assert.equal((await stat(fs, replaced)).nlink, 0)
  },
)

test('renaming a staged ordinary file to a new name publishes nothing', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(opened.fs, v.ROOT, 'a')
  await writeText(opened.fs, fh, 'new')
  await opened.fs.rename(renameRequest('a', 'b'))
  assert.equal(await afterKill(opened, ino), '')
})

test('renaming an atomic file moves the name and keeps the fork', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  await fileWith(fs, 'target', 'replaced')
  const { ino, fh } = await stagedFile(opened, 'source')
  const folder = await directory(fs, 'folder')
  await fs.rename(renameRequest('source', 'target'))
  await fs.rename(renameRequest('target', 'target', { newParent: folder }))
  assert.equal(await isStaged(fs, ino), true)
  assert.equal(await afterKill(opened, ino), 'old')
  await fs.fsync(fh)
  assert.equal(await afterKill(opened, ino), 'new content')
})

test('truncating by name is a writer that has closed', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const outcomes = { publish: ['1234', false], discard: ['12345678', false], keep: ['1234', true] } as const // prettier-ignore
  for (const [policy, [content, staged]] of Object.entries(outcomes)) {
    const ino = await fileWith(fs, policy, '12345678')
    await setXattr(fs, ino, 'user.atomic', '1')
    await setXattr(fs, ino, 'user.atomic.onclose', policy)
    await fs.setAttributes(ino, { size: 4 })
    assert.equal(await text(fs, ino), content)
    assert.equal(await isStaged(fs, ino), staged)
    assert.equal(await afterKill(opened, ino), policy === 'publish' ? '1234' : '12345678')
    await setXattr(fs, ino, 'user.atomic', '0')
    await fs.setAttributes(ino, { size: 2 })
    assert.equal(await afterKill(opened, ino), '12', 'the policy is not one of ordinary files')
  }
})

test('truncating by name beside a writer is staged with what it writes', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { ino } = await stagedFile(opened)
  await opened.fs.setAttributes(ino, { size: 2 })
  assert.equal(await text(opened.fs, ino), 'ne')
  assert.equal(await afterKill(opened, ino), 'old')
})

test('a failed volume publishes nothing more and says so', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const { ino, fh } = await stagedFile(opened)
  volume.engine.health.fail(new Error('the disk is gone'))
  await refuses('EIO', () => fs.fsync(fh))
  await refuses('EROFS', () => fs.write(fh, v.writeRequest(0, Buffer.from('x'))))
  await refuses('EROFS', () => setXattr(fs, ino, 'user.atomic.commit', '1'))
  assert.equal(await text(fs, ino), 'new content')
  assert.equal(await afterKill(opened, ino), 'old')
})
