import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from '../support/volume.ts'
import { TIMEOUT, fileWith, getXattr, refuses, setXattr } from './fixture.ts'

const CREATE = 1
const REPLACE = 2

test('attributes of three namespaces are kept, others refused', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  const names = [
    'user.a',
    'security.selinux',
    'trusted.b',
    'user.atomics',
    `user.${'\xff'.repeat(250)}`,
  ]
  for (const [i, name] of names.entries()) await setXattr(fs, ino, name, `value ${i}`)
  for (const name of ['system.posix_acl', 'system.nfs4_acl', 'nospace', 'other.a']) {
    await refuses('EOPNOTSUPP', () => setXattr(fs, ino, name, 'x'))
    await refuses('EOPNOTSUPP', () => fs.getXattr(ino, name))
    await refuses('EOPNOTSUPP', () => fs.removeXattr(ino, name))
  }
  await refuses('EINVAL', () => setXattr(fs, ino, 'user.', 'x'))
  await refuses('ERANGE', () => setXattr(fs, ino, `user.${'x'.repeat(251)}`, 'x'))
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device)
  assert.deepEqual((await again.listXattr(ino)).toSorted(), names.toSorted())
  for (const [i, name] of names.entries()) {
    assert.equal(await getXattr(again, ino, name), `value ${i}`)
  }
})

test('values have 0 to 65536 bytes', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  for (const length of [0, 1, 65_536]) {
    const value = Buffer.alloc(length, 0xab)
    await fs.setXattr(ino, 'user.a', value, 0)
    assert.deepEqual(Buffer.from(await fs.getXattr(ino, 'user.a')), value)
  }
  await refuses('E2BIG', () => fs.setXattr(ino, 'user.a', Buffer.alloc(65_537), 0))
})

test('setXattr() makes or replaces only, if it is told so', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  const set = (flags: number) => fs.setXattr(ino, 'user.a', Buffer.from(`${flags}`), flags)
  await refuses('ENODATA', () => set(REPLACE))
  await set(CREATE)
  await refuses('EEXIST', () => set(CREATE))
  await set(REPLACE)
  assert.equal(await getXattr(fs, ino, 'user.a'), '2')
})

test('removeXattr() removes once; the others stay', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  await refuses('ENODATA', () => fs.removeXattr(ino, 'user.a'))
  assert.deepEqual(await fs.listXattr(ino), [])
  await setXattr(fs, ino, 'user.a', 'a')
  await setXattr(fs, ino, 'user.b', 'b')
  await fs.removeXattr(ino, 'user.a')
  await refuses('ENODATA', () => fs.removeXattr(ino, 'user.a'))
  await refuses('ENODATA', () => fs.getXattr(ino, 'user.a'))
  assert.deepEqual(await fs.listXattr(ino), ['user.b'])
})

test('listXattr() shows names of root to root only', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  await setXattr(fs, ino, 'user.a', '')
  await setXattr(fs, ino, 'trusted.b', '')
  assert.deepEqual(await fs.listXattr(ino, v.CALLER), ['trusted.b', 'user.a'])
  assert.deepEqual(await fs.listXattr(ino, { ...v.CALLER, uid: 1000 }), ['user.a'])
})

test('what a caller does with a value afterwards changes nothing', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  const value = Buffer.from('kept')
  await fs.setXattr(ino, 'user.a', value, 0)
  value.fill(0)
  assert.equal(await getXattr(fs, ino, 'user.a'), 'kept')
})
