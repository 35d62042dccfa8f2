import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from '../support/volume.ts'
import { TIMEOUT, fileWith, openFile, refuses, setXattr, stat, writeText } from './fixture.ts'

const GET = 0x8008_6601
const SET = 0x4008_6602
const GET_WIDE = 0x801c_581f
const SET_WIDE = 0x401c_5820
const IMMUTABLE = 0x10
const APPEND = 0x20
const O_APPEND = 0o2000

type Fs = v.TestFilesystem['fs']

async function ioctl(fs: Fs, ino: number, command: number, flags?: number, size = 4) {
  const input = Buffer.alloc(flags === undefined ? 0 : size)
  if (flags !== undefined) input.writeUInt32LE(flags)
  const request = { ino, fh: 0, isDirectory: false, command, input }
  return Buffer.from(await fs.ioctl(request, v.CALLER))
}

const protect = (fs: Fs, ino: number, flags: number) => ioctl(fs, ino, SET, flags)

test('flags are set, shown in both forms, and kept', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  await protect(fs, ino, 0x10 | 0x40 | 0x80)
  assert.equal((await ioctl(fs, ino, GET)).readUInt32LE(), 0xd0)
  const wide = await ioctl(fs, ino, GET_WIDE)
  assert.equal(wide.length, 28)
  assert.equal(wide.readUInt32LE(), 0x08 | 0x80 | 0x40)
  await ioctl(fs, ino, SET_WIDE, 0x10, 28)
  assert.equal((await ioctl(fs, ino, GET)).readUInt32LE(), APPEND)
  await refuses('EOPNOTSUPP', () => protect(fs, ino, 0x1000))
  await refuses('EINVAL', () => ioctl(fs, ino, SET_WIDE, 0, 4))
  await refuses('ENOTTY', () => ioctl(fs, ino, 0x1234))
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device)
  assert.equal((await ioctl(again, ino, GET)).readUInt32LE(), APPEND)
})

test('an immutable file does not change in any way', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  const fh = await openFile(fs, ino, v.O_RDWR)
  await protect(fs, ino, IMMUTABLE)
  const before = await stat(fs, ino)
  const changes = [
    () => fs.open(ino, v.O_RDWR, v.CALLER),
    () => fs.open(ino, v.O_TRUNC, v.CALLER),
    () => writeText(fs, fh, 'new'),
    () => fs.setAttributes(ino, { size: 0, fh }),
    () => fs.setAttributes(ino, { mode: 0o600 }),
    () => fs.setAttributes(ino, { uid: 1 }),
    () => fs.setAttributes(ino, { mtime: 'now' as const }),
    () => fs.allocate(fh, 0, 0, 100_000),
    () => fs.allocate(fh, 3, 0, 4096),
    () => fs.unlink(v.ROOT, 'a'),
    () => fs.link(ino, v.ROOT, 'b'),
    () => fs.rename(renaming('a', 'b')),
    () => setXattr(fs, ino, 'user.a', '1'),
    () => setXattr(fs, ino, 'user.atomic', '1'),
  ]
  for (const change of changes) await refuses('EPERM', change)
  assert.deepEqual(await stat(fs, ino), before)
  await fs.open(ino, 0, v.CALLER)
  await protect(fs, ino, 0)
  await fs.unlink(v.ROOT, 'a')
})

const renaming = (name: string, newName: string) => ({
  parent: v.ROOT,
  name,
  newParent: v.ROOT,
  newName,
  noReplace: false,
  exchange: false,
})

test('an append-only file grows and does nothing else', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'content')
  await protect(fs, ino, APPEND)
  await refuses('EPERM', () => fs.open(ino, v.O_RDWR, v.CALLER))
  const fh = await openFile(fs, ino, v.O_RDWR | O_APPEND)
  await writeText(fs, fh, ' more', 7)
  await refuses('EPERM', () => fs.setAttributes(ino, { size: 3, fh }))
  await refuses('EPERM', () => fs.allocate(fh, 3, 0, 4096))
  await refuses('EPERM', () => fs.unlink(v.ROOT, 'a'))
  await refuses('EPERM', () => fs.rename(renaming('a', 'b')))
  await fs.setAttributes(ino, { mtime: 5n, ctime: 5n })
  await fs.fsync(fh)
  assert.equal((await stat(fs, ino)).size, 12)
})

test(
  'a protected directory loses no name; an append-only one takes new ones',
  TIMEOUT,
  async () => {
    const { fs } = await v.freshFilesystem()
    const { ino } = await fs.makeDirectory(v.ROOT, 'd', 0o755, v.CALLER)
    await v.createFile(fs, ino, 'kept')
    await protect(fs, ino, APPEND)
    await v.createFile(fs, ino, 'new')
    await refuses('EPERM', () => fs.unlink(ino, 'kept'))
    await refuses('EPERM', () => fs.rename({ ...renaming('kept', 'b'), parent: ino }))
    await protect(fs, ino, IMMUTABLE)
    await refuses('EPERM', () => fs.create(ino, 'newer', 0o644, v.O_RDWR, v.CALLER))
    await refuses('EPERM', () => fs.removeDirectory(v.ROOT, 'd'))
  },
)
