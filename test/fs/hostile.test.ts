/** What no kernel should ask, and what must not do harm if one does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  close,
  directory,
  fileWith,
  namesIn,
  openFile,
  refuses,
  renameRequest,
  text,
} from './fixture.ts'

const O_EXCL = 0o200

test('names that no entry may have are refused', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  await fileWith(fs, 'a', 'content')
  for (const name of ['.', '..', 'a/b', '/', 'a\0']) {
    await refuses('EINVAL', () => fs.makeDirectory(v.ROOT, name, 0o755, v.CALLER))
    await refuses('EINVAL', () => fs.makeNode(v.ROOT, name, 0o100644, 0, v.CALLER))
    await refuses('EINVAL', () => fs.create(v.ROOT, name, 0o644, v.O_RDWR, v.CALLER))
    await refuses('EINVAL', () => fs.rename(renameRequest('a', name)))
  }
  assert.deepEqual(await namesIn(fs, v.ROOT), ['a'])
})

test('create() of what exists opens files only, and truncates if asked', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  await directory(fs, 'd')
  const create = (name: string, flags: number) => fs.create(v.ROOT, name, 0o644, flags, v.CALLER)
  await refuses('EEXIST', () => create('d', v.O_RDWR))
  await refuses('EEXIST', () => create('a', v.O_RDWR | O_EXCL))
  const { attributes, opened } = await create('a', v.O_RDWR)
  assert.equal(attributes.ino, ino)
  await close(fs, opened.fh)
  assert.equal(await text(fs, ino), 'content')
  const truncated = await create('a', v.O_RDWR | v.O_TRUNC)
  assert.equal(truncated.attributes.size, 0)
  await close(fs, truncated.opened.fh)
})

test('a handle is released once', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  const fh = await openFile(fs, ino)
  await fs.write(fh, v.writeRequest(0, Buffer.from('C')))
  const first = fs.release(fh)
  await refuses('EBADF', () => fs.release(fh))
  await first
  await refuses('EBADF', () => fs.release(fh))
  assert.equal(fs.context.files.isOpen(ino), false)
  assert.equal(await text(fs, ino), 'Content')
})

test('a handle that is open for reading writes nothing', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  const fh = await openFile(fs, ino, 0)
  await refuses('EBADF', () => fs.write(fh, v.writeRequest(0, Buffer.from('C'))))
  await refuses('EBADF', () => fs.allocate(fh, 3, 0, 4096))
  assert.equal(await text(fs, ino), 'content')
})

test('forget() of more references than there are changes nothing', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  await refuses('EINVAL', () => {
    fs.forget(ino, 2)
  })
  fs.forget(ino, 1)
  await refuses('EINVAL', () => {
    fs.forget(ino, 1)
  })
})

test('a file that nobody knows any more is not changed while it is freed', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  await fs.unlink(v.ROOT, 'a')
  fs.forget(ino, 1)
  await refuses('ESTALE', () => fs.open(ino, v.O_RDWR, v.CALLER))
  await refuses('ESTALE', () => fs.remember(ino))
  await refuses('ESTALE', () => fs.setAttributes(ino, { size: 3 }))
  await refuses('ESTALE', () => fs.setXattr(ino, 'user.x', Buffer.from('x'), 0))
  await refuses('ESTALE', () => fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0))
  await fs.finish()
})
