import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FILE_SIZE_MAX } from '../../src/store/inode.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, refuses } from './fixture.ts'

const PUNCH = 0x03
const ZERO = 0x10
const ZERO_KEEP_SIZE = 0x11

test(
  'allocate() punches and zeroes what a reference does, also after a restart',
  TIMEOUT,
  async (t) => {
    const seed = testSeed()
    t.diagnostic(`seed ${String(seed)}`)
    const random = new Random(seed)
    const { fs, device } = await v.freshFilesystem()
    const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
    let expected = Buffer.from(random.bytes(700_000))
    await fs.write(fh, v.writeRequest(0, expected))
    for (let step = 0; step < 60; step++) {
      const offset = random.int(expected.length)
      const length = 1 + random.int(random.oneIn(3) ? 300_000 : 9000)
      const mode = random.pick([PUNCH, ZERO, ZERO_KEEP_SIZE])
      if (mode === ZERO && offset + length > expected.length) {
        expected = Buffer.concat([expected, Buffer.alloc(offset + length - expected.length)])
      }
      expected.fill(0, offset, Math.min(offset + length, expected.length))
      await fs.allocate(fh, mode, offset, length)
      if (random.oneIn(3)) {
        const at = random.int(expected.length - 100)
        const bytes = random.bytes(100)
        expected.set(bytes, at)
        await fs.write(fh, v.writeRequest(at, bytes))
      }
      assert.deepEqual(await v.contentOf(fs, ino), expected)
      if (random.oneIn(4)) await fs.fsync(fh)
    }
    await fs.fsync(fh)
    const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
    assert.deepEqual(await v.contentOf(again.fs, ino), expected)
  },
)

test('allocate() gives the space of whole blocks back when it is published', TIMEOUT, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const { fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.write(fh, v.writeRequest(0, Buffer.alloc(400 * 4096, 1)))
  await fs.fsync(fh)
  assert.equal(volume.engine.store.allocator.mappedCount, 400)
  await fs.allocate(fh, PUNCH, 100, 399 * 4096)
  assert.equal(volume.engine.store.allocator.mappedCount, 400)
  await fs.fsync(fh)
  assert.equal(volume.engine.store.allocator.mappedCount, 2)
})

test('allocate() is staged: a rollback brings the content back', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem({ newFiles: 'shared' })
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.write(fh, v.writeRequest(0, Buffer.alloc(100_000, 7)))
  await fs.fsync(fh)
  await fs.allocate(fh, PUNCH, 0, 100_000)
  assert.deepEqual(await v.contentOf(fs, ino), Buffer.alloc(100_000))
  await fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0)
  assert.deepEqual(await v.contentOf(fs, ino), Buffer.alloc(100_000, 7))
})

test(
  'allocate() without a flag fills holes, keeps content, and grows the file',
  TIMEOUT,
  async () => {
    const { fs, volume } = await v.freshFilesystem()
    const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
    await fs.write(fh, v.writeRequest(50 * 4096, Buffer.from('content')))
    await fs.allocate(fh, 0, 5000, 400 * 4096)
    const expected = Buffer.alloc(5000 + 400 * 4096)
    expected.write('content', 50 * 4096)
    assert.deepEqual(await v.contentOf(fs, ino), expected)
    await fs.fsync(fh)
    assert.equal(volume.engine.store.allocator.mappedCount, 401)
    assert.deepEqual(await v.contentOf(fs, ino), expected)
  },
)

test('allocate() with KEEP_SIZE fills up to the end of the file', TIMEOUT, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setAttributes(ino, { size: 10_000, fh })
  await fs.allocate(fh, 1, 0, 1_000_000)
  await fs.fsync(fh)
  assert.equal(volume.engine.store.allocator.mappedCount, 3)
  assert.deepEqual(await v.contentOf(fs, ino), Buffer.alloc(10_000))
})

test('allocate() of more than there is fails at once and changes nothing', TIMEOUT, async () => {
  const device = new MemoryDevice(emptyImage(1024), { blockCountMax: 100_000 })
  await v.makeTestVolume(device)
  const { fs, volume } = await v.openTestFilesystem(device)
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  const { freeCount } = fs.statistics()
  await assert.rejects(async () => fs.allocate(fh, 0, 0, (freeCount + 1) * 4096), {
    code: 'ENOSPC',
  })
  await refuses('EFBIG', () => fs.allocate(fh, 0, FILE_SIZE_MAX - 4095, 4096))
  await refuses('EFBIG', () => fs.allocate(fh, 1, FILE_SIZE_MAX, 1))
  assert.equal((await fs.getAttributes(ino)).size, 0)
  assert.equal(volume.engine.store.allocator.mappedCount, 0)
})

test('allocate() refuses what the kernel does not forward', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { fh } = await v.createFile(fs, v.ROOT, 'a')
  for (const mode of [8, 0x20, 0x40]) {
    await assert.rejects(async () => fs.allocate(fh, mode, 0, 4096), { code: 'EOPNOTSUPP' })
  }
})
