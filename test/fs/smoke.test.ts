import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import * as v from '../support/volume.ts'

test('a published file is there after a restart, a staged one is not', async () => {
  const { fs, device } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0)
  const old = randomBytes(10_000)
  await fs.write(fh, v.writeRequest(0, old))
  await fs.fsync(fh)
  await fs.write(fh, v.writeRequest(5000, randomBytes(20_000)))
  const big = randomBytes(3 << 20)
  await fs.write(fh, v.writeRequest(8192, big))
  assert.deepEqual((await v.contentOf(fs, ino)).subarray(8192), big)
  assert.match(String(await fs.getXattr(ino, 'user.atomic.state')), /state=staged/)
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.deepEqual(await v.contentOf(again.fs, ino), old)
  await fs.fsync(fh)
  const third = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.deepEqual((await v.contentOf(third.fs, ino)).subarray(8192), big)
  await third.fs.finish()
  const fourth = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.deepEqual((await v.contentOf(fourth.fs, ino)).subarray(8192), big)
  assert.equal((await v.listTree(fourth.fs)).size, 1)
})
