import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, fileWith, getXattr, openFile, refuses, renameRequest, text } from './fixture.ts'

test('a read-only mount answers EROFS to every change, and reads', TIMEOUT, async () => {
  const { fs: maker, device } = await v.freshFilesystem()
  const ino = await fileWith(maker, 'a', 'content')
  await maker.setXattr(ino, 'user.a', Buffer.from('b'), 0)
  const image = device.image()
  const copy = new MemoryDevice(image)
  const { fs } = await v.openTestFilesystem(copy, { readOnly: true })
  const x = Buffer.from('x')
  const changes: (() => unknown)[] = [
    () => fs.create(v.ROOT, 'b', 0o644, v.O_RDWR, v.CALLER),
    () => fs.makeNode(v.ROOT, 'b', 0o100644, 0, v.CALLER),
    () => fs.makeDirectory(v.ROOT, 'b', 0o755, v.CALLER),
    () => fs.makeSymlink(v.ROOT, 'b', x, v.CALLER),
    () => fs.link(ino, v.ROOT, 'b'),
    () => fs.unlink(v.ROOT, 'a'),
    () => fs.removeDirectory(v.ROOT, 'a'),
    () => fs.rename(renameRequest('a', 'b')),
    () => fs.rename(renameRequest('a', 'a', { exchange: true })),
    () => fs.open(ino, v.O_RDWR, v.CALLER),
    () => fs.open(ino, v.O_TRUNC, v.CALLER),
    () => fs.setAttributes(ino, { mode: 0 }),
    () => fs.setAttributes(ino, { size: 0 }),
    () => fs.setXattr(ino, 'user.a', x, 0),
    () => fs.removeXattr(ino, 'user.a'),
    () => fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0),
    () => fs.setXattr(ino, 'user.atomic.onclose', Buffer.from('keep'), 0),
    () => fs.setXattr(ino, 'user.atomic.commit', x, 0),
    () => fs.setXattr(ino, 'user.atomic.rollback', x, 0),
  ]
  for (const change of changes) await refuses('EROFS', change)
  const fh = await openFile(fs, ino, 0)
  await refuses('EROFS', () => fs.write(fh, v.writeRequest(0, x)))
  await fs.fsync(fh)
  await fs.flush(fh, v.CALLER)
  await fs.release(fh)
  assert.equal(await text(fs, ino), 'content')
  assert.equal(await getXattr(fs, ino, 'user.a'), 'b')
  assert.match(await getXattr(fs, ino, 'user.atomic.state'), /^state=clean\n/)
  await fs.writeBack()
  await fs.finish()
  assert.deepEqual(copy.image(), image)
})
