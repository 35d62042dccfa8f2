import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, fileWith, openFile, refuses, stat, text, writeText } from './fixture.ts'

async function freeCount({ fs, volume }: v.TestFilesystem): Promise<number> {
  await fs.context.reaper.drain()
  await volume.engine.checkpointer.run()
  return fs.statistics().freeCount
}

test('an unlinked open file lives until its last close and forget', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const before = await freeCount(opened)
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeText(fs, fh, 'x'.repeat(100_000))
  await fs.fsync(fh)
  await fs.unlink(v.ROOT, 'a')
  await writeText(fs, fh, 'still writable', 50_000)
  assert.ok((await text(fs, ino)).includes('still writable'))
  assert.equal((await stat(fs, ino)).nlink, 0)
  assert.ok((await freeCount(opened)) < before)
  await close(fs, fh)
  assert.equal((await stat(fs, ino)).nlink, 0)
  assert.ok((await freeCount(opened)) < before, 'the kernel still knows it')
  fs.forget(ino, 1)
  assert.equal(await freeCount(opened), before)
  await refuses('ESTALE', () => fs.getAttributes(ino))
})

test('forgetting before the last close frees at the close', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const before = await freeCount(opened)
  const ino = await fileWith(fs, 'a', 'x'.repeat(100_000))
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'staged', 100)
  await fs.unlink(v.ROOT, 'a')
  fs.forget(ino, 1)
  assert.ok((await freeCount(opened)) < before)
  assert.ok((await text(fs, ino)).includes('staged'))
  await close(fs, fh)
  assert.equal(await freeCount(opened), before)
})

test('the space of staged atomic content comes back with its file', TIMEOUT, async () => {
  const opened = await v.freshFilesystem({ newFiles: 'shared' })
  const { fs } = opened
  const before = await freeCount(opened)
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.write(fh, v.writeRequest(0, Buffer.alloc(1 << 20, 1)))
  await writeText(fs, fh, 'page', 2 << 20)
  await fs.unlink(v.ROOT, 'a')
  await close(fs, fh)
  fs.forget(ino, 1)
  assert.equal(await freeCount(opened), before)
})

test('an unlinked open file is reaped after a crash', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const { fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeText(fs, fh, 'x'.repeat(100_000))
  await fs.fsync(fh)
  await fs.unlink(v.ROOT, 'a')
  const opened = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.deepEqual(opened.volume.orphans.length, 1)
  await freeCount(opened)
  assert.equal(opened.volume.engine.store.allocator.mappedCount, 0)
  const again = await v.openTestFilesystem(device)
  assert.equal(again.volume.orphans.length, 1)
})

test('finish() frees what the kernel still knew without a name', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  await fileWith(fs, 'a', 'x'.repeat(100_000))
  await fs.unlink(v.ROOT, 'a')
  await fs.finish()
  const { volume } = await v.openTestFilesystem(device)
  assert.equal(volume.report.wasClean, true)
  assert.equal(volume.orphans.length, 0)
  assert.equal(volume.engine.store.allocator.mappedCount, 0)
})

test('a file with very many attributes is reaped', { timeout: 30_000 }, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  for (let i = 0; i < 3000; i++) {
    await fs.setXattr(ino, `user.${String(i).padEnd(250, '-')}`, Buffer.from('x'), 0)
  }
  await fs.unlink(v.ROOT, 'a')
  fs.forget(ino, 1)
  await fs.context.reaper.drain()
  assert.equal((await volume.engine.store.metadata.scan('X')).length, 0)
  await refuses('ESTALE', () => fs.getAttributes(ino))
})
