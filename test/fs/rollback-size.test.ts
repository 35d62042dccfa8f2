/**
 * Until the kernel has taken over the smaller size that a rollback leaves, nothing may make it trust the
 * one that it has.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { Deferred } from '../../src/fuse/kernel/deferred.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, fileWith, openFile, setXattr, writeText } from './fixture.ts'

const LOCKING = { ...v.CALLER, pid: 7 }

test('attributes wait for the size, or are not to be kept', TIMEOUT, async () => {
  const taken = new Deferred<undefined>()
  const device = new MemoryDevice(emptyImage(512))
  await v.makeTestVolume(device)
  const kernel = { ...v.NO_KERNEL, resize: async () => taken.promise }
  const { fs, processes } = await v.openTestFilesystem(device, { kernel })
  processes.locking.add(LOCKING.pid)

  const ino = await fileWith(fs, 'a', 'old')
  await setXattr(fs, ino, 'user.atomic', '1')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'new and longer')
  await setXattr(fs, ino, 'user.atomic.rollback', '1')

  let isAnswered = false
  const waiting = Promise.resolve(fs.getAttributes(ino, v.CALLER)).finally(() => {
    isAnswered = true
  })
  const now = [await fs.getAttributes(ino, LOCKING), fs.lookup(v.ROOT, 'a')]
  for (const told of now) assert.deepEqual([told?.size, told?.isVolatile], [3, true])
  assert.equal(isAnswered, false)
  taken.resolve(undefined)
  const { size, isVolatile } = await waiting
  assert.deepEqual([size, isVolatile ?? false], [3, false])
})
