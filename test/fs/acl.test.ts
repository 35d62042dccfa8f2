import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, refuses, stat } from './fixture.ts'

const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'
const TAGS = { u: 0x01, user: 0x02, g: 0x04, group: 0x08, m: 0x10, o: 0x20 }

type Line = readonly [tag: keyof typeof TAGS, permissions: number, id?: number]

function acl(...lines: readonly Line[]): Buffer {
  const value = Buffer.alloc(4 + 8 * lines.length)
  value.writeUInt32LE(2)
  for (const [i, [tag, permissions, id = 0xffff_ffff]] of lines.entries()) {
    value.writeUInt16LE(TAGS[tag], 4 + i * 8)
    value.writeUInt16LE(permissions, 6 + i * 8)
    value.writeUInt32LE(id, 8 + i * 8)
  }
  return value
}

const FULL = acl(['u', 7], ['user', 6, 1000], ['g', 5], ['group', 3, 50], ['m', 4], ['o', 1])

async function get(fs: v.TestFilesystem['fs'], ino: number, name: string): Promise<Buffer> {
  return Buffer.from(await fs.getXattr(ino, name))
}

test('an ACL is kept, is the mode, and follows chmod', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const { ino } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setXattr(ino, ACCESS, FULL, 0)
  assert.equal((await stat(fs, ino)).mode & 0o777, 0o741)
  assert.deepEqual(await fs.listXattr(ino), [ACCESS])
  await fs.setAttributes(ino, { mode: 0o100670 })
  const changed = acl(['u', 6], ['user', 6, 1000], ['g', 5], ['group', 3, 50], ['m', 7], ['o', 0])
  assert.deepEqual(await get(fs, ino, ACCESS), changed)
  await fs.finish()
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.deepEqual(await get(again.fs, ino, ACCESS), changed)
  await again.fs.removeXattr(ino, ACCESS)
  assert.equal((await stat(again.fs, ino)).mode & 0o777, 0o670)
  await refuses('ENODATA', () => again.fs.getXattr(ino, ACCESS))
})

test('an ACL that says what a mode can say is only the mode', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setXattr(ino, ACCESS, FULL, 0)
  await fs.setXattr(ino, ACCESS, acl(['u', 6], ['g', 4], ['o', 0]), 0)
  assert.equal((await stat(fs, ino)).mode & 0o777, 0o640)
  await refuses('ENODATA', () => fs.getXattr(ino, ACCESS))
})

test('setting an ACL ends set-group-id for who is not of the group', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setAttributes(ino, { mode: 0o102755 })
  await fs.setXattr(ino, ACCESS, FULL, 0)
  assert.equal((await stat(fs, ino)).mode & 0o7777, 0o2741)
  await fs.setXattr(ino, ACCESS, FULL, 0, { killsSetGroupId: true })
  assert.equal((await stat(fs, ino)).mode & 0o7777, 0o741)
})

test('what is made inherits the default ACL, or else the umask counts', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const caller = { ...v.CALLER, umask: 0o027 }
  const plain = await fs.makeDirectory(v.ROOT, 'plain', 0o777, caller)
  assert.equal(plain.mode & 0o777, 0o750)
  const parent = await fs.makeDirectory(v.ROOT, 'd', 0o777, v.CALLER)
  await fs.setXattr(parent.ino, DEFAULT, FULL, 0)
  const inner = await fs.makeDirectory(parent.ino, 'inner', 0o777, caller)
  assert.equal(inner.mode & 0o777, 0o741)
  assert.deepEqual(await get(fs, inner.ino, DEFAULT), FULL)
  assert.deepEqual(await get(fs, inner.ino, ACCESS), FULL)
  const { attributes } = await fs.create(inner.ino, 'file', 0o620, v.O_RDWR, caller)
  assert.equal(attributes.mode & 0o777, 0o600)
  const masked = acl(['u', 6], ['user', 6, 1000], ['g', 5], ['group', 3, 50], ['m', 0], ['o', 0])
  assert.deepEqual(await get(fs, attributes.ino, ACCESS), masked)
  const link = await fs.makeSymlink(inner.ino, 'link', Buffer.from('to'), caller)
  assert.deepEqual(await fs.listXattr(link.ino), [])
})

test('a minimal default ACL gives a mode and no access ACL', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const parent = await fs.makeDirectory(v.ROOT, 'd', 0o777, v.CALLER)
  await fs.setXattr(parent.ino, DEFAULT, acl(['u', 7], ['g', 5], ['o', 0]), 0)
  const { attributes } = await fs.create(parent.ino, 'a', 0o666, v.O_RDWR, v.CALLER)
  assert.equal(attributes.mode & 0o777, 0o640)
  assert.deepEqual(await fs.listXattr(attributes.ino), [])
})

test('ACLs that make no sense are refused and change nothing', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino } = await v.createFile(fs, v.ROOT, 'a')
  const broken = [
    acl(['u', 7], ['user', 6, 1000], ['g', 5], ['o', 1]),
    acl(['g', 5], ['u', 7], ['o', 1]),
    acl(['u', 7], ['u', 7], ['g', 5], ['o', 1]),
    acl(['u', 8], ['g', 5], ['o', 1]),
    acl(['u', 7], ['g', 5]),
    FULL.subarray(0, 13),
    Buffer.from('x'),
  ]
  for (const value of broken) await refuses('EINVAL', () => fs.setXattr(ino, ACCESS, value, 0))
  const other = Buffer.from(FULL)
  other.writeUInt32LE(3)
  await refuses('EOPNOTSUPP', () => fs.setXattr(ino, ACCESS, other, 0))
  await refuses('EACCES', () => fs.setXattr(ino, DEFAULT, FULL, 0))
  assert.equal((await stat(fs, ino)).mode & 0o777, 0o644)
  const link = await fs.makeSymlink(v.ROOT, 'link', Buffer.from('to'), v.CALLER)
  await refuses('EOPNOTSUPP', () => fs.setXattr(link.ino, ACCESS, FULL, 0))
})
