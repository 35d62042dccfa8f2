import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  directory,
  fileWith,
  namesIn,
  openFile,
  refuses,
  renameRequest,
  stat,
  text,
  writeText,
} from './fixture.ts'

test('rename() moves a name, over a file and to itself', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const a = await fileWith(fs, 'a', 'A')
  const b = await fileWith(fs, 'b', 'B')
  await fs.rename(renameRequest('a', 'a'))
  await fs.rename(renameRequest('a', 'c'))
  assert.deepEqual(await namesIn(fs, v.ROOT), ['b', 'c'])
  await fs.rename(renameRequest('c', 'b'))
  assert.deepEqual(await namesIn(fs, v.ROOT), ['b'])
  assert.equal(fs.lookup(v.ROOT, 'b')?.ino, a)
  assert.equal((await stat(fs, b)).nlink, 0)
})

test('rename() between two names of one file does nothing', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const a = await fileWith(fs, 'a', 'A')
  await fs.link(a, v.ROOT, 'b')
  await fs.rename(renameRequest('a', 'b'))
  assert.deepEqual(await namesIn(fs, v.ROOT), ['a', 'b'])
  assert.equal((await stat(fs, a)).nlink, 2)
})

test('rename() refuses what does not fit', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  await fileWith(fs, 'file', '')
  const full = await directory(fs, 'full')
  await directory(fs, 'inner', full)
  await directory(fs, 'empty')
  await refuses('ENOENT', () => fs.rename(renameRequest('none', 'x')))
  await refuses('ENOTDIR', () => fs.rename(renameRequest('empty', 'file')))
  await refuses('EISDIR', () => fs.rename(renameRequest('file', 'empty')))
  await refuses('ENOTEMPTY', () => fs.rename(renameRequest('empty', 'full')))
  await refuses('ENAMETOOLONG', () => fs.rename(renameRequest('file', 'x'.repeat(256))))
  await refuses('ENAMETOOLONG', () => fs.rename(renameRequest('x'.repeat(256), 'file')))
  const inner = fs.lookup(full, 'inner')?.ino ?? 0
  await refuses('EINVAL', () => fs.rename(renameRequest('full', 'x', { newParent: full })))
  await refuses('EINVAL', () => fs.rename(renameRequest('full', 'x', { newParent: inner })))
  const noReplace = { noReplace: true }
  await refuses('EEXIST', () => fs.rename(renameRequest('file', 'full', noReplace)))
  await refuses('EEXIST', () => fs.rename(renameRequest('file', 'file', noReplace)))
  await fs.rename(renameRequest('file', 'moved', noReplace))
  assert.deepEqual(await namesIn(fs, v.ROOT), ['full', 'empty', 'moved'])
})

test('rename() of a directory moves link counts and its parent', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const [a, b] = [await directory(fs, 'a'), await directory(fs, 'b')]
  const moved = await directory(fs, 'moved', a)
  const replaced = await directory(fs, 'replaced', b)
  await fs.rename({ ...renameRequest('moved', 'replaced'), parent: a, newParent: b })
  assert.equal((await stat(fs, a)).nlink, 2)
  assert.equal((await stat(fs, b)).nlink, 3)
  assert.equal((await stat(fs, replaced)).nlink, 0)
  const fh = fs.openDirectory(moved)
  const entries = [...(await fs.readDirectory(fh, 0))]
  assert.equal(entries[1]?.ino, b)
})

test('rename() exchanges files, directories and both, across directories', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const [left, right] = [await directory(fs, 'left'), await directory(fs, 'right')]
  const file = await fileWith(fs, 'x', 'file', left)
  const folder = await directory(fs, 'y', right)
  const swap = { ...renameRequest('x', 'y', { exchange: true }), parent: left, newParent: right }
  await fs.rename(swap)
  assert.equal(fs.lookup(left, 'x')?.ino, folder)
  assert.equal(fs.lookup(right, 'y')?.ino, file)
  assert.deepEqual([(await stat(fs, left)).nlink, (await stat(fs, right)).nlink], [3, 2])
  await fs.rename(swap)
  assert.equal(fs.lookup(left, 'x')?.ino, file)
  assert.deepEqual([(await stat(fs, left)).nlink, (await stat(fs, right)).nlink], [2, 3])
  await fs.rename(renameRequest('left', 'right', { exchange: true }))
  assert.equal(fs.lookup(v.ROOT, 'left')?.ino, right)
  assert.deepEqual(await namesIn(fs, v.ROOT), ['left', 'right'])
  await fs.rename(renameRequest('left', 'left', { exchange: true }))
})

test('rename() leaves a whiteout that lasts', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  await fs.rename(renameRequest('a', 'b', { whiteoutFor: { uid: 5, gid: 6, pid: 1 } }))
  assert.equal(fs.lookup(v.ROOT, 'b')?.ino, ino)
  assert.deepEqual(await namesIn(fs, v.ROOT), ['b', 'a'])
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device)
  const { mode, rdev, uid, gid, nlink } = again.lookup(v.ROOT, 'a') ?? assert.fail('it is there')
  assert.deepEqual([mode, rdev, uid, gid, nlink], [0o020000, 0, 5, 6, 1])
})

test('rename() refuses to exchange with nothing or with an ancestor', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const outer = await directory(fs, 'outer')
  await directory(fs, 'inner', outer)
  const exchange = { exchange: true }
  await refuses('ENOENT', () => fs.rename(renameRequest('outer', 'none', exchange)))
  await refuses('ENOENT', () => fs.rename(renameRequest('none', 'outer', exchange)))
  const down = renameRequest('outer', 'inner', { ...exchange, newParent: outer })
  await refuses('EINVAL', () => fs.rename(down))
  const up = { ...renameRequest('inner', 'outer', exchange), parent: outer }
  await refuses('EINVAL', () => fs.rename(up))
})

test('a refused rename() keeps what the file has staged', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  await directory(fs, 'folder')
  await fileWith(fs, 'taken', '')
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeText(fs, fh, 'not yet published')
  await refuses('EEXIST', () => fs.rename(renameRequest('a', 'taken', { noReplace: true })))
  await refuses('EISDIR', () => fs.rename(renameRequest('a', 'folder')))
  assert.equal(await text(fs, ino), 'not yet published')
  await fs.fsync(fh)
  assert.equal(await text(fs, ino), 'not yet published')
})

test('a file that rename() replaced stays readable while it is open', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const old = await fileWith(fs, 'old', 'old content')
  await fileWith(fs, 'new', 'new content')
  const fh = await openFile(fs, old)
  await fs.rename(renameRequest('new', 'old'))
  const read = Buffer.concat(await fs.read(fh, 0, 100))
  assert.equal(read.toString(), 'old content')
})
