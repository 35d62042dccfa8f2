import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  close,
  directory,
  fileWith,
  getXattr,
  isStaged,
  openFile,
  refuses,
  setXattr,
  text,
  writeText,
} from './fixture.ts'

test('user.atomic is 0, 1, shared or isolated', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  await refuses('ENODATA', () => fs.getXattr(ino, 'user.atomic'))
  for (const value of ['1', 'shared', '1\n']) {
    await setXattr(fs, ino, 'user.atomic', value)
    assert.equal(await getXattr(fs, ino, 'user.atomic'), '1')
    await fs.removeXattr(ino, 'user.atomic')
    await refuses('ENODATA', () => fs.getXattr(ino, 'user.atomic'))
  }
  await setXattr(fs, ino, 'user.atomic', '1')
  await setXattr(fs, ino, 'user.atomic', '0')
  await refuses('ENODATA', () => fs.removeXattr(ino, 'user.atomic'))
  for (const value of ['', '2', 'yes', '01']) {
    await refuses('EINVAL', () => setXattr(fs, ino, 'user.atomic', value))
  }
  await setXattr(fs, ino, 'user.atomic', 'isolated')
  assert.equal(await getXattr(fs, ino, 'user.atomic'), 'isolated')
})

test('user.atomic.onclose is publish, discard or keep', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  for (const value of ['discard', 'keep']) {
    await setXattr(fs, ino, 'user.atomic.onclose', value)
    assert.equal(await getXattr(fs, ino, 'user.atomic.onclose'), value)
  }
  await fs.removeXattr(ino, 'user.atomic.onclose')
  await refuses('ENODATA', () => fs.getXattr(ino, 'user.atomic.onclose'))
  await setXattr(fs, ino, 'user.atomic.onclose', 'publish')
  await refuses('EINVAL', () => setXattr(fs, ino, 'user.atomic.onclose', 'drop'))
})

test('unknown names under user.atomic. are invalid', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (const ino of [await fileWith(fs, 'a', ''), await directory(fs, 'folder')]) {
    for (const name of ['user.atomic.', 'user.atomic.other', 'user.atomic.Commit']) {
      await refuses('EINVAL', () => setXattr(fs, ino, name, '1'))
      await refuses('EINVAL', () => fs.getXattr(ino, name))
      await refuses('EINVAL', () => fs.removeXattr(ino, name))
    }
  }
})

test('only what was chosen is listed', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  assert.deepEqual(await fs.listXattr(ino), [])
  await setXattr(fs, ino, 'user.atomic', '1')
  assert.deepEqual(await fs.listXattr(ino), ['user.atomic'])
  await setXattr(fs, ino, 'user.atomic.onclose', 'keep')
  await setXattr(fs, ino, 'user.mine', 'x')
  const listed = ['user.atomic', 'user.atomic.onclose', 'user.mine']
  assert.deepEqual((await fs.listXattr(ino)).toSorted(), listed)
})

test('links, special nodes and directories take what belongs to them', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino: link } = await fs.makeSymlink(v.ROOT, 'link', Buffer.from('x'), v.CALLER)
  await refuses('EPERM', () => setXattr(fs, link, 'user.atomic', '1'))
  await refuses('EPERM', () => setXattr(fs, link, 'user.atomic.onclose', 'keep'))
  await refuses('EINVAL', () => setXattr(fs, link, 'user.atomic.commit', ''))
  const folder = await directory(fs, 'folder')
  await refuses('EINVAL', () => setXattr(fs, folder, 'user.atomic.rollback', ''))
  await refuses('ENOENT', () => setXattr(fs, folder, 'user.atomic.commit', 'a\nb'))
})

test('files and directories inherit the choice of their directory', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const folder = await directory(fs, 'folder')
  const before = await fileWith(fs, 'before', '', folder)
  await setXattr(fs, folder, 'user.atomic', '1')
  await setXattr(fs, folder, 'user.atomic.onclose', 'discard')
  const inner = await directory(fs, 'inner', folder)
  const { ino: made } = await fs.makeNode(inner, 'made', 0o100644, 0, v.CALLER)
  const { ino: created } = await v.createFile(fs, inner, 'created')
  for (const ino of [inner, made, created]) {
    assert.deepEqual(await fs.listXattr(ino), ['user.atomic', 'user.atomic.onclose'])
    assert.equal(await getXattr(fs, ino, 'user.atomic.onclose'), 'discard')
  }
  assert.deepEqual(await fs.listXattr(before), [])
  const { ino: fifo } = await fs.makeNode(folder, 'fifo', 0o010644, 0, v.CALLER)
  assert.deepEqual(await fs.listXattr(fifo), [])
})

test('the mount option opts new files in, not old ones', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const old = await fileWith(fs, 'old', 'x')
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device, { newFiles: 'shared' })
  const { ino } = await v.createFile(again, v.ROOT, 'new')
  assert.equal(await getXattr(again, ino, 'user.atomic'), '1')
  await refuses('ENODATA', () => again.getXattr(old, 'user.atomic'))
})

test('user.atomic.state tells what is staged, and exists everywhere', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'x')
  const sequence = /published_seq=(\d+)\nbase_seq=(\d+)\n$/
  const clean = await getXattr(fs, ino, 'user.atomic.state')
  assert.match(clean, /^state=clean\nstaged_bytes=0\n/)
  const [, published, base] = sequence.exec(clean) ?? []
  assert.equal(published, base)
  await setXattr(fs, ino, 'user.atomic', '1')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'y', 4095)
  await writeText(fs, fh, 'yy', 9000)
  assert.match(await getXattr(fs, ino, 'user.atomic.state'), /^state=staged\nstaged_bytes=8192\n/)
  await fs.fsync(fh)
  const after = sequence.exec(await getXattr(fs, ino, 'user.atomic.state'))
  assert.ok(Number(after?.[1]) > Number(published))
  assert.match(await getXattr(fs, v.ROOT, 'user.atomic.state'), /^state=clean\n/)
  await refuses('EPERM', () => setXattr(fs, ino, 'user.atomic.state', 'clean'))
})

test('user.atomic.limits has whole numbers', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const lines = (await getXattr(fs, v.ROOT, 'user.atomic.limits')).trimEnd().split('\n')
  const limits = new Map(
    lines.map((line): [string, string] => [
      line.slice(0, line.indexOf('=')),
      line.slice(line.indexOf('=') + 1),
    ]),
  )
  assert.deepEqual(
    [...limits.keys()],
    [
      'transaction_bytes_max',
      'write_bytes_max',
      'alignment',
      'reservation_free_bytes',
      'read_only',
    ],
  )
  for (const value of limits.values()) assert.match(value, /^\d+$/)
  assert.equal(limits.get('alignment'), '1')
  await refuses('EPERM', () => setXattr(fs, v.ROOT, 'user.atomic.limits', '1'))
  await refuses('ENODATA', () => fs.getXattr(v.ROOT, 'user.atomic.commit'))
  await refuses('ENODATA', () => fs.getXattr(v.ROOT, 'user.atomic.rollback'))
})

test('opting in or out publishes what is staged, in one commit', TIMEOUT, async () => {
  const { fs, volume, device } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  const commits = async (work: () => Promise<void>): Promise<number> => {
    const before = volume.engine.journal.commitSeq
    await work()
    return volume.engine.journal.commitSeq - before
  }
  await writeText(fs, fh, 'before opting in')
  assert.equal(await commits(() => setXattr(fs, ino, 'user.atomic', '1')), 1)
  assert.equal(await isStaged(fs, ino), false)
  await writeText(fs, fh, 'before opting out')
  assert.equal(await commits(() => setXattr(fs, ino, 'user.atomic', '0')), 1)
  assert.equal(await isStaged(fs, ino), false)
  const crashed = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.equal(await text(crashed.fs, ino), 'before opting out')
  await refuses('ENODATA', () => crashed.fs.getXattr(ino, 'user.atomic'))
  assert.equal(await commits(() => setXattr(fs, ino, 'user.atomic', '0')), 0)
  await close(fs, fh)
})
