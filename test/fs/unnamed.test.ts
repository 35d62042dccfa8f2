import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { structureFaults } from '../crash/structure.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, refuses, text, writeText } from './fixture.ts'

async function unnamed() {
  const opened = await v.freshFilesystem()
  const made = await opened.fs.makeUnnamed(v.ROOT, 0o640, v.O_RDWR, v.CALLER)
  const { ino } = made.attributes
  assert.equal(made.attributes.nlink, 0)
  return { ...opened, ino, fh: made.opened.fh }
}

test('a file without a name goes with its last reference', TIMEOUT, async () => {
  const { fs, volume, device, ino, fh } = await unnamed()
  await writeText(fs, fh, 'x'.repeat(100_000))
  await fs.fsync(fh)
  assert.ok(volume.engine.store.allocator.mappedCount > 0)
  await close(fs, fh)
  fs.forget(ino, 1)
  await fs.finish()
  assert.equal(volume.engine.store.allocator.mappedCount, 0)
  assert.deepEqual(structureFaults(device.image()), [])
})

test('a file without a name may be given one, and then stays', TIMEOUT, async () => {
  const { fs, device, ino, fh } = await unnamed()
  await writeText(fs, fh, 'content')
  const linked = await fs.link(ino, v.ROOT, 'name')
  assert.equal(linked.nlink, 1)
  await close(fs, fh)
  fs.forget(ino, 2)
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.equal(again.volume.report.orphanCount, 0)
  assert.equal(await text(again.fs, again.fs.lookup(v.ROOT, 'name')?.ino ?? 0), 'content')
})

test('a crash frees what has no name', TIMEOUT, async () => {
  const { fs, device, fh } = await unnamed()
  await writeText(fs, fh, 'x'.repeat(100_000))
  await fs.fsync(fh)
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.equal(again.volume.report.orphanCount, 1)
  await again.fs.finish()
  assert.equal(again.volume.engine.store.allocator.mappedCount, 0)
})

test('a file without a name is made in a directory that exists', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino } = await v.createFile(fs, v.ROOT, 'file')
  await refuses('ENOTDIR', () => fs.makeUnnamed(ino, 0o640, v.O_RDWR, v.CALLER))
  const directory = await fs.makeDirectory(v.ROOT, 'gone', 0o755, v.CALLER)
  await fs.removeDirectory(v.ROOT, 'gone')
  await refuses('ENOENT', () => fs.makeUnnamed(directory.ino, 0o640, v.O_RDWR, v.CALLER))
})

test('lookup() of "." and ".." finds what the kernel has only a number of', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const directory = await fs.makeDirectory(v.ROOT, 'd', 0o755, v.CALLER)
  const { ino } = await v.createFile(fs, directory.ino, 'file')
  assert.equal(fs.lookup(ino, '.')?.ino, ino)
  assert.equal(fs.lookup(directory.ino, '..')?.ino, v.ROOT)
  assert.equal(fs.lookup(12_345, '.'), undefined)
})
