import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { Attributes } from '../../src/fs/operations.ts'
import { checkVolume } from '../../src/check/check-volume.ts'
import { structureFaults } from '../crash/structure.ts'
import { Random } from '../support/random.ts'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  close,
  directory,
  fileWith,
  getXattr,
  isStaged,
  namesIn,
  openFile,
  refuses,
  renameRequest,
  setXattr,
  stat,
  text,
  writeText,
} from './fixture.ts'
import { abandon, begin, call, commit } from './folder-calls.ts'
import { FOLDER_COMMIT, FOLDER_COPY } from '../../src/fs/folder-ioctl.ts'

const BLOCK = 4096

const BOB = { uid: 1000, gid: 1000, pid: 1 }

async function at(fs: Filesystem, path: string): Promise<number> {
  let ino = v.ROOT
  for (const name of path.split('/')) {
    const found = fs.lookup(ino, name)
    assert.ok(found !== undefined, `"${name}" of ${path} exists`)
    fs.forget(found.ino, 1)
    ino = found.ino
  }
  return ino
}

const readAt = async (fs: Filesystem, path: string): Promise<string> => text(fs, await at(fs, path))

/** What a copy must have in common with what it was made of. */
function kept({ ino: _ino, nlink: _nlink, ...rest }: Attributes): object {
  return rest
}

/** Ends the filesystem in order, and requires that everything fits together. */
async function finish({ fs, device }: Awaited<ReturnType<typeof v.freshFilesystem>>) {
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
  const report = await checkVolume(device, 'test', { data: true })
  assert.deepEqual(report.findings, [])
}

test('a commit puts a folder in the place of what it was copied from', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  await fileWith(fs, 'kept', 'the same', folder)
  await fileWith(fs, 'changed', 'old', folder)
  await fileWith(fs, 'removed', 'gone', folder)
  const sub = await directory(fs, 'sub', folder)
  await fileWith(fs, 'deep', 'down', sub)
  const run = await begin(fs, folder)
  assert.deepEqual(await namesIn(fs, run.copy), await namesIn(fs, folder))
  const file = fs.lookup(run.copy, 'changed')
  assert.ok(file !== undefined)
  const fh = await openFile(fs, file.ino, v.O_RDWR | v.O_TRUNC)
  await writeText(fs, fh, 'new')
  await close(fs, fh)
  await fs.unlink(run.copy, 'removed')
  const made = await directory(fs, 'made', run.copy)
  await fileWith(fs, 'inside', 'fresh', made)
  assert.deepEqual(await namesIn(fs, folder), ['kept', 'changed', 'removed', 'sub'])
  assert.equal(await readAt(fs, 'f/changed'), 'old')
  assert.deepEqual(await namesIn(fs, v.ROOT), ['f'])
  await commit(fs, run)
  assert.equal(await at(fs, 'f'), run.copy)
  assert.deepEqual(await namesIn(fs, run.copy), ['kept', 'changed', 'sub', 'made'])
  assert.equal(await readAt(fs, 'f/changed'), 'new')
  assert.equal(await readAt(fs, 'f/kept'), 'the same')
  assert.equal(await readAt(fs, 'f/sub/deep'), 'down')
  assert.equal(await readAt(fs, 'f/made/inside'), 'fresh')
  await finish(opened)
})

test('what is given up leaves nothing but the folder as it was', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const folder = await directory(fs, 'f')
  await fileWith(fs, 'a', 'x'.repeat(3 * BLOCK), folder)
  const { allocator } = volume.engine.store
  const before = allocator.mappedCount
  const run = await begin(fs, folder)
  fs.forget(await fileWith(fs, 'b', 'y'.repeat(3 * BLOCK), run.copy), 1)
  await fs.unlink(run.copy, 'a')
  abandon(fs, run)
  assert.equal(fs.lookup(folder, run.secret), undefined)
  await fs.context.reaper.drain()
  assert.equal(allocator.mappedCount, before)
  assert.deepEqual(await namesIn(fs, folder), ['a'])
  assert.equal(await readAt(fs, 'f/a'), 'x'.repeat(3 * BLOCK))
  await finish(opened)
})

test('a copy takes attributes, times, links and contents along', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const random = new Random(7)
  const folder = await directory(fs, 'f')
  const content = Buffer.from(random.bytes(5 * BLOCK + 17))
  const plain = await fileWith(fs, 'plain', content, folder)
  await fs.setAttributes(plain, { mode: 0o4751, uid: 5, gid: 6 })
  await setXattr(fs, plain, 'user.mine', 'of my own')
  await setXattr(fs, plain, 'user.large', 'l'.repeat(65_536))
  await setXattr(fs, plain, 'user.larger', 'm'.repeat(65_536))
  await setXattr(fs, folder, 'user.atomic', '1')
  await setXattr(fs, folder, 'user.on', 'folder')
  await fs.setAttributes(folder, { mode: 0o2770, uid: 9, gid: 9 })
  await fs.link(plain, folder, 'second')
  await fs.link(plain, v.ROOT, 'outside')
  await fs.makeSymlink(folder, 'link', Buffer.from('to/nowhere'), v.CALLER)
  await fs.makeNode(folder, 'pipe', 0o010644, 0, v.CALLER)
  await fs.makeNode(folder, 'device', 0o020600, 0x0103, v.CALLER)
  const sparse = await fileWith(fs, 'sparse', 'begin', folder)
  const fh = await openFile(fs, sparse)
  await writeText(fs, fh, 'end', 900 * BLOCK)
  await close(fs, fh)
  const past = { mtime: 1_000_000_007n, atime: 1_000_000_009n }
  for (const ino of [plain, sparse, folder]) await fs.setAttributes(ino, past)
  const before = volume.engine.store.allocator.mappedCount
  const run = await begin(fs, folder)
  assert.equal(volume.engine.store.allocator.mappedCount, before)
  assert.deepEqual(kept(await stat(fs, run.copy)), kept(await stat(fs, folder)))
  for (const name of ['plain', 'link', 'pipe', 'device', 'sparse']) {
    const [old, copied] = [fs.lookup(folder, name), fs.lookup(run.copy, name)]
    assert.ok(old !== undefined && copied !== undefined)
    assert.notEqual(old.ino, copied.ino)
    assert.deepEqual(kept(copied), kept(old), name)
  }
  const copied = fs.lookup(run.copy, 'plain')
  assert.ok(copied !== undefined)
  assert.equal(fs.lookup(run.copy, 'second')?.ino, copied.ino)
  assert.equal(copied.nlink, 2)
  assert.deepEqual(await v.contentOf(fs, copied.ino), content)
  assert.deepEqual(
    (await fs.listXattr(copied.ino)).toSorted(),
    (await fs.listXattr(plain)).toSorted(),
  )
  assert.equal(await getXattr(fs, copied.ino, 'user.larger'), 'm'.repeat(65_536))
  assert.equal(await getXattr(fs, run.copy, 'user.on'), 'folder')
  assert.equal(await getXattr(fs, run.copy, 'user.atomic'), '1')
  await commit(fs, run)
  assert.equal(await at(fs, 'outside'), plain)
  await finish(opened)
})

test(
  'thousands of entries, and files larger than a record, are copied in steps',
  TIMEOUT,
  async () => {
    const opened = await v.freshFilesystem()
    const { fs } = opened
    const folder = await directory(fs, 'f')
    for (let i = 0; i < 1500; i++) await fileWith(fs, `file-${i}`, `content ${i}`, folder)
    const random = new Random(3)
    const content = Buffer.from(random.bytes(20 * 1024 * 1024))
    const large = await v.createFile(fs, folder, 'large')
    for (let from = 0; from < content.length; from += 1 << 20) {
      await fs.write(large.fh, v.writeRequest(from, content.subarray(from, from + (1 << 20))))
    }
    await close(fs, large.fh)
    const run = await begin(fs, folder)
    await commit(fs, run)
    assert.equal((await namesIn(fs, run.copy)).length, 1501)
    assert.equal(await readAt(fs, 'f/file-1234'), 'content 1234')
    assert.ok(content.equals(await v.contentOf(fs, await at(fs, 'f/large'))))
    await finish(opened)
  },
)

const CHANGES: Readonly<Record<string, (fs: Filesystem, folder: number) => Promise<unknown>>> = {
  'content of a file': async (fs) => {
    const fh = await openFile(fs, await at(fs, 'f/sub/a'))
    await writeText(fs, fh, 'other')
    await close(fs, fh)
  },
  'staged content of an atomic file': async (fs) => {
    await writeText(fs, await openFile(fs, await at(fs, 'f/atomic')), 'half')
  },
  'a new file': async (fs) => fileWith(fs, 'new', '', await at(fs, 'f/sub')),
  'a removed file': async (fs) => fs.unlink(await at(fs, 'f/sub'), 'a'),
  'a renamed file': async (fs) => {
    const sub = await at(fs, 'f/sub')
    await fs.rename(renameRequest('a', 'b', { parent: sub, newParent: sub }))
  },
  'a moved-in file': async (fs, folder) => {
    await fileWith(fs, 'x', 'x')
    await fs.rename(renameRequest('x', 'x', { newParent: folder }))
  },
  'a mode': async (fs) => fs.setAttributes(await at(fs, 'f/sub/a'), { mode: 0o600 }),
  'an attribute': async (fs) => setXattr(fs, await at(fs, 'f/sub'), 'user.x', '1'),
  'a link from outside': async (fs) => fs.link(await at(fs, 'f/sub/a'), v.ROOT, 'link'),
}

for (const [name, change] of Object.entries(CHANGES)) {
  test(`a commit is refused after others changed ${name}`, TIMEOUT, async () => {
    const opened = await v.freshFilesystem()
    const { fs } = opened
    const folder = await directory(fs, 'f')
    const sub = await directory(fs, 'sub', folder)
    await fileWith(fs, 'a', 'old', sub)
    const atomic = await fileWith(fs, 'atomic', 'old', folder)
    await setXattr(fs, atomic, 'user.atomic', '1')
    const run = await begin(fs, folder)
    await fileWith(fs, 'mine', '', run.copy)
    await change(fs, folder)
    const before = (await v.listTree(fs)).size
    await refuses('EBUSY', () => commit(fs, run))
    assert.equal(await at(fs, 'f'), folder)
    assert.equal((await v.listTree(fs)).size, before)
    await finish(opened)
  })
}

test('reading, and changes elsewhere, do not keep a commit back', TIMEOUT, async () => {
  const device = new MemoryDevice(emptyImage(1024))
  await v.makeTestVolume(device)
  const opened = { ...(await v.openTestFilesystem(device, { noAccessTimes: false })), device }
  const { fs } = opened
  const folder = await directory(fs, 'f')
  const a = await fileWith(fs, 'a', 'old', folder)
  const run = await begin(fs, folder)
  await fs.setAttributes(run.copy, { mode: 0o700 })
  await text(fs, a)
  await namesIn(fs, folder)
  await fs.writeBack()
  await fileWith(fs, 'beside', '')
  await fs.rename(renameRequest('beside', 'besides'))
  await commit(fs, run)
  assert.equal((await stat(fs, await at(fs, 'f'))).mode & 0o777, 0o700)
  await finish(opened)
})

test('what is staged in the copy is published with the commit', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const folder = await directory(fs, 'f')
  await setXattr(fs, await fileWith(fs, 'atomic', 'old', folder), 'user.atomic', '1')
  const run = await begin(fs, folder)
  const atomic = fs.lookup(run.copy, 'atomic')
  assert.ok(atomic !== undefined)
  await writeText(fs, await openFile(fs, atomic.ino), 'new')
  const plain = await v.createFile(fs, run.copy, 'plain')
  await writeText(fs, plain.fh, 'p'.repeat(100_000))
  assert.ok(await isStaged(fs, atomic.ino))
  await commit(fs, run)
  assert.ok(!(await isStaged(fs, atomic.ino)))
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.equal(await readAt(again.fs, 'f/atomic'), 'new')
  assert.equal(await readAt(again.fs, 'f/plain'), 'p'.repeat(100_000))
})

test(
  'of an atomic file the published version is copied, and its writer goes on',
  TIMEOUT,
  async () => {
    const opened = await v.freshFilesystem()
    const { fs } = opened
    const folder = await directory(fs, 'f')
    const ino = await fileWith(fs, 'a', 'o'.repeat(3 * BLOCK), folder)
    await setXattr(fs, ino, 'user.atomic', '1')
    const fh = await openFile(fs, ino)
    await writeText(fs, fh, 'new', BLOCK)
    const run = await begin(fs, folder)
    const copied = fs.lookup(run.copy, 'a')
    assert.ok(copied !== undefined)
    assert.equal(await text(fs, copied.ino), 'o'.repeat(3 * BLOCK))
    await fs.fsync(fh)
    assert.equal((await text(fs, ino)).slice(BLOCK, BLOCK + 5), 'newoo')
    assert.equal(await text(fs, copied.ino), 'o'.repeat(3 * BLOCK))
    await refuses('EBUSY', () => commit(fs, run))
    await finish(opened)
  },
)

test('a write that was lost in the copy keeps it from being committed', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const folder = await directory(fs, 'f')
  const run = await begin(fs, folder)
  const file = await v.createFile(fs, run.copy, 'a')
  const { allocator } = volume.engine.store
  const reserve = allocator.reserve.bind(allocator)
  allocator.reserve = () => {
    allocator.reserve = reserve
    throw new FsError('ENOSPC', 'No space left')
  }
  const request = { ...v.writeRequest(0, Buffer.from('lost')), fromCache: true }
  await refuses('ENOSPC', () => fs.write(file.fh, request))
  await close(fs, file.fh)
  await refuses('ENOSPC', () => commit(fs, run))
  assert.deepEqual(await namesIn(fs, await at(fs, 'f')), [])
  await finish(opened)
})

test('of two on overlapping folders the first to commit wins', TIMEOUT, async () => {
  for (const [first, second] of [
    ['f', 'f'],
    ['f', 'f/sub'],
    ['f/sub', 'f'],
  ] as const) {
    const opened = await v.freshFilesystem()
    const { fs } = opened
    const folder = await directory(fs, 'f')
    await directory(fs, 'sub', folder)
    const runs = [await begin(fs, await at(fs, first)), await begin(fs, await at(fs, second))]
    for (const [i, run] of runs.entries()) await fileWith(fs, `by-${i}`, '', run.copy)
    await commit(fs, runs[0] ?? assert.fail())
    await refuses('EBUSY', () => commit(fs, runs[1] ?? assert.fail()))
    assert.ok((await namesIn(fs, await at(fs, first))).includes('by-0'))
    await finish(opened)
  }
})

test('one inside of another is part of it', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  await directory(fs, 'sub', folder)
  const outer = await begin(fs, folder)
  const sub = fs.lookup(outer.copy, 'sub')
  assert.ok(sub !== undefined)
  const inner = await begin(fs, sub.ino)
  await fileWith(fs, 'new', 'by the inner', inner.copy)
  await commit(fs, inner)
  assert.deepEqual(await namesIn(fs, await at(fs, 'f/sub')), [])
  await commit(fs, outer)
  assert.equal(await readAt(fs, 'f/sub/new'), 'by the inner')
  await finish(opened)
})

test('one inside of another that is given up cannot commit any more', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  await directory(fs, 'sub', folder)
  const outer = await begin(fs, folder)
  const sub = fs.lookup(outer.copy, 'sub')
  assert.ok(sub !== undefined)
  const inner = await begin(fs, sub.ino)
  abandon(fs, outer)
  await fs.context.reaper.drain()
  await refuses('EBUSY', () => commit(fs, inner))
  await finish(opened)
})

test('the folder of a transaction keeps its name', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  await directory(fs, 'g')
  const run = await begin(fs, folder)
  await refuses('EBUSY', () => fs.removeDirectory(v.ROOT, 'f'))
  await refuses('EBUSY', () => fs.rename(renameRequest('f', 'h')))
  await refuses('EBUSY', () => fs.rename(renameRequest('g', 'f')))
  await refuses('EBUSY', () => fs.rename(renameRequest('g', 'f', { exchange: true })))
  abandon(fs, run)
  await fs.rename(renameRequest('f', 'h'))
  await finish(opened)
})

test('who may begin one, and on what', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  const ino = await fileWith(fs, 'a', '', folder)
  await refuses('EINVAL', () => begin(fs, v.ROOT))
  await refuses('EPERM', () => begin(fs, folder, BOB))
  await fs.setAttributes(folder, { uid: BOB.uid })
  const run = await begin(fs, folder, BOB)
  const hidden = fs.lookup(folder, run.secret)
  assert.equal(hidden?.mode, 0o040700)
  assert.equal(hidden?.uid, BOB.uid)
  abandon(fs, run)
  const sub = await directory(fs, 'sub', folder)
  await refuses('EPERM', () => begin(fs, folder, BOB))
  await fs.removeDirectory(folder, 'sub')
  assert.ok(sub > 0)
  const run2 = await begin(fs, folder)
  await refuses('EINVAL', () => begin(fs, run2.copy))
  abandon(fs, run2)
  const fh = fs.openDirectory(folder)
  await refuses('EINVAL', () => call(fs, fh, folder, FOLDER_COMMIT))
  await refuses('EBADF', () => call(fs, fh, ino, FOLDER_COPY))
  fs.releaseDirectory(fh)
  await fs.ioctl(
    { ino, fh: 0, isDirectory: false, command: 0x4008_6602, input: Buffer.from([0x10, 0, 0, 0]) },
    v.CALLER,
  )
  await refuses('EPERM', () => begin(fs, folder))
})

test('nothing can be made in what is hidden or being removed', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  const run = await begin(fs, folder)
  const hidden = fs.lookup(folder, run.secret)
  assert.ok(hidden !== undefined)
  await refuses('ENOENT', () => fileWith(fs, 'x', '', hidden.ino))
  await refuses('EBUSY', () => fs.removeDirectory(hidden.ino, 'tree'))
  const sub = (await fs.makeDirectory(run.copy, 'sub', 0o755, v.CALLER)).ino
  const { fh } = await v.createFile(fs, sub, 'open')
  abandon(fs, run)
  await fs.context.reaper.drain()
  await refuses('ENOENT', () => fileWith(fs, 'x', '', sub))
  await writeText(fs, fh, 'still open')
  await fs.fsync(fh)
  await close(fs, fh)
  await finish(opened)
})

test('old files stay for those who have them open', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, volume } = opened
  const folder = await directory(fs, 'f')
  const ino = await fileWith(fs, 'a', 'the old one', folder)
  const fh = await openFile(fs, ino, 0)
  const run = await begin(fs, folder)
  const copied = fs.lookup(run.copy, 'a')
  assert.ok(copied !== undefined)
  const writer = await openFile(fs, copied.ino, v.O_RDWR | v.O_TRUNC)
  await writeText(fs, writer, 'the new one')
  await close(fs, writer)
  await commit(fs, run)
  await fs.context.reaper.drain()
  assert.equal(Buffer.concat([...(await fs.read(fh, 0, 100))]).toString(), 'the old one')
  assert.equal(await readAt(fs, 'f/a'), 'the new one')
  await close(fs, fh)
  await fs.finish()
  assert.equal(volume.engine.inodes.find(ino), undefined)
})

test('what a transaction has left is removed after the next mount', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const folder = await directory(fs, 'f')
  await fileWith(fs, 'a', 'x'.repeat(3 * BLOCK), await directory(fs, 'sub', folder))
  const run = await begin(fs, folder)
  await fileWith(fs, 'b', 'y', run.copy)
  const crashed = new MemoryDevice(device.image())
  const report = await checkVolume(crashed, 'test', { data: true })
  assert.deepEqual(report.findings, [])
  const again = { ...(await v.openTestFilesystem(crashed)), device: crashed }
  assert.deepEqual(again.volume.hidden.length, 1)
  assert.deepEqual(await namesIn(again.fs, await at(again.fs, 'f')), ['sub'])
  await finish(again)
})

test('transactions of files go on beside a copy, with all their savepoints', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const folder = await directory(fs, 'f')
  const ino = await fileWith(fs, 'a', 'o'.repeat(3 * BLOCK), folder)
  const fh = await openFile(fs, ino)
  const ioctl = (command: number): unknown =>
    fs.ioctl({ ino, fh, isDirectory: false, command, input: new Uint8Array(0) }, v.CALLER)
  await ioctl(0xf501)
  await writeText(fs, fh, 'one', BLOCK)
  await ioctl(0xf501)
  await writeText(fs, fh, 'two', BLOCK + 10)
  const run = await begin(fs, folder)
  const copied = fs.lookup(run.copy, 'a')
  assert.ok(copied !== undefined)
  assert.equal(await text(fs, copied.ino), 'o'.repeat(3 * BLOCK))
  await ioctl(0xf505)
  await ioctl(0xf502)
  assert.equal((await text(fs, ino)).slice(BLOCK, BLOCK + 13), 'oneoooooooooo')
  assert.equal(await text(fs, copied.ino), 'o'.repeat(3 * BLOCK))
  await refuses('EBUSY', () => commit(fs, run))
  await finish(opened)
})
