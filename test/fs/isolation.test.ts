/** Isolated files: what each handle sees, what merges and what is refused, and how handles end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
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
  renameRequest,
  setXattr,
  stat,
  text,
  writeText,
} from './fixture.ts'

type Fresh = Awaited<ReturnType<typeof v.freshFilesystem>>

const O_RDONLY = 0
const O_APPEND = 0o2000
const O_DSYNC = 0o10000

async function isolatedFile(fs: Filesystem, content: string | Uint8Array, name = 'a') {
  const ino = await fileWith(fs, name, content)
  await setXattr(fs, ino, 'user.atomic', 'isolated')
  return ino
}

async function seen(fs: Filesystem, fh: number, at = 0, length = 1 << 20): Promise<string> {
  return Buffer.concat(await fs.read(fh, at, length)).toString('latin1')
}

async function afterKill({ device }: Fresh, ino: number): Promise<string> {
  const { fs } = await v.openTestFilesystem(new MemoryDevice(device.image()))
  return text(fs, ino)
}

test(
  'a writer sees its own changes, and nobody else does before it publishes',
  TIMEOUT,
  async () => {
    const opened = await v.freshFilesystem()
    const { fs } = opened
    const ino = await isolatedFile(fs, 'old content')
    const [reader, first, second] = [
      await openFile(fs, ino, O_RDONLY),
      await openFile(fs, ino),
      await openFile(fs, ino),
    ]
    await writeText(fs, first, 'new')
    assert.equal(await seen(fs, first), 'new content')
    assert.equal(await seen(fs, second), 'old content')
    assert.equal(await seen(fs, reader), 'old content')
    assert.equal(await afterKill(opened, ino), 'old content')
    await fs.fsync(first)
    assert.equal(await afterKill(opened, ino), 'new content')
    assert.equal(await text(fs, ino), 'new content')
    // Who had it open goes on reading what was published then.
    assert.equal(await seen(fs, reader), 'old content')
    assert.equal(await seen(fs, second), 'old content')
    await fs.fsync(reader)
    assert.equal(await seen(fs, reader), 'old content')
  },
)

test('changes of different bytes of one block merge', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const ino = await isolatedFile(fs, '0123456789')
  const [first, second] = [await openFile(fs, ino), await openFile(fs, ino)]
  await writeText(fs, first, 'ab', 2)
  await writeText(fs, second, 'cd', 4)
  await writeText(fs, second, 'e', 9)
  await fs.fsync(first)
  assert.equal(await seen(fs, second), '0123cd678e')
  await fs.fsync(second)
  assert.equal(await seen(fs, second), '01abcd678e')
  assert.equal(await afterKill(opened, ino), '01abcd678e')
})

test('who writes the same bytes second gets EBUSY, discards and tries again', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, '0123456789')
  const first = await openFile(fs, ino, v.O_RDWR, 10)
  const second = await openFile(fs, ino, v.O_RDWR, 20)
  await writeText(fs, first, 'abc', 2)
  await writeText(fs, second, 'xyz', 4)
  await fs.fsync(first)
  await refuses('EBUSY', async () => fs.fsync(second))
  assert.equal(await seen(fs, second), '0123xyz789', 'nothing is lost')
  await refuses('EBUSY', async () => fs.fsync(second))
  await fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0, { caller: caller(20) })
  assert.equal(await seen(fs, second), '01abc56789')
  await writeText(fs, second, 'xyz', 4)
  await fs.fsync(second)
  assert.equal(await text(fs, ino), '01abxyz789')
})

const caller = (pid: number) => ({ ...v.CALLER, pid })

test('two changes of the size are refused, one merges with writes before it', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (const what of ['grown', 'grown by a hole', 'cut']) {
    const ino = await isolatedFile(fs, '0123456789', what)
    const resize = async (fh: number): Promise<void> => {
      if (what === 'grown') await writeText(fs, fh, 'more', 10)
      else await fs.setAttributes(ino, { size: what === 'cut' ? 5 : 20_000, fh })
    }
    const handles = await Promise.all([1, 2, 3].map(async () => openFile(fs, ino)))
    const [first = 0, second = 0, third = 0] = handles
    await resize(first)
    await resize(second)
    await writeText(fs, third, 'ab', 1)
    await fs.fsync(first)
    await refuses('EBUSY', async () => fs.fsync(second))
    await fs.fsync(third)
    const expected = { grown: '0ab3456789more', cut: '0ab34' }[what] ?? '0ab3456789'
    assert.equal((await text(fs, ino)).slice(0, 14).replaceAll('\0', ''), expected, what)
    assert.equal((await stat(fs, ino)).size, { grown: 14, cut: 5 }[what] ?? 20_000, what)
  }
})

test('a size that came back after a cut counts as a change', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, '0123456789')
  const [first, second] = [await openFile(fs, ino), await openFile(fs, ino)]
  await fs.setAttributes(ino, { size: 5, fh: first })
  await writeText(fs, first, '56789', 5)
  await writeText(fs, second, 'x', 7)
  await fs.fsync(first)
  await refuses('EBUSY', async () => fs.fsync(second))
})

test('space that a handle has asked for goes with what another one cuts off', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const ino = await isolatedFile(fs, 'content')
  await fs.setAttributes(ino, { size: 20 * 4096 })
  const [first, second] = [await openFile(fs, ino), await openFile(fs, ino)]
  await fs.allocate(first, 0, 2 * 4096, 18 * 4096)
  await writeText(fs, first, 'C')
  await fs.setAttributes(ino, { size: 2 * 4096, fh: second })
  await fs.fsync(second)
  await fs.fsync(first)
  assert.equal((await stat(fs, ino)).size, 2 * 4096)
  const report = await checkVolume(new MemoryDevice(device.image()), 'test', { data: true })
  assert.deepEqual(report.findings, [])
  assert.equal(await afterKill(opened, ino), `Content${'\0'.repeat(2 * 4096 - 7)}`)
})

test('appending goes to the end of what the handle sees', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, 'one')
  const [first, second] = [await openFile(fs, ino), await openFile(fs, ino)]
  await writeText(fs, first, 'LONGER', 3)
  const data = Buffer.from('two')
  await fs.write(second, { ...v.writeRequest(9, data), openFlags: O_APPEND })
  assert.equal(await seen(fs, second), 'onetwo')
  await fs.fsync(second)
  assert.equal(await text(fs, ino), 'onetwo')
  await refuses('EBUSY', async () => fs.fsync(first))
})

test('a write through O_DSYNC is published when it returns', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const ino = await isolatedFile(fs, 'old')
  const fh = await openFile(fs, ino)
  await fs.write(fh, { ...v.writeRequest(0, Buffer.from('new')), openFlags: O_DSYNC })
  assert.equal(await afterKill(opened, ino), 'new')
})

test('closing publishes, discards or leaves what that handle has staged', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  for (const policy of ['publish', 'discard', 'keep']) {
    const ino = await isolatedFile(fs, 'old', policy)
    await setXattr(fs, ino, 'user.atomic.onclose', policy)
    const [fh, other] = [await openFile(fs, ino), await openFile(fs, ino)]
    await writeText(fs, fh, 'new')
    await writeText(fs, other, '!', 3)
    await close(fs, fh)
    assert.equal(await text(fs, ino), policy === 'publish' ? 'new' : 'old')
    await fs.fsync(other)
    assert.equal(await text(fs, ino), policy === 'publish' ? 'new!' : 'old!')
    await close(fs, other)
    if (policy !== 'keep') continue
    assert.equal(await isStaged(fs, ino), true)
    await setXattr(fs, ino, 'user.atomic.commit', '1')
    assert.equal(await afterKill(opened, ino), 'new!')
    assert.equal(await isStaged(fs, ino), false)
  }
})

test('what closed handles have left can be dropped by anybody', TIMEOUT, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, 'old')
  await setXattr(fs, ino, 'user.atomic.onclose', 'keep')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'new')
  await close(fs, fh)
  await refuses('EBUSY', async () => setXattr(fs, ino, 'user.atomic', '1'))
  await setXattr(fs, ino, 'user.atomic.rollback', '1')
  assert.equal(await isStaged(fs, ino), false)
  assert.equal(await text(fs, ino), 'old')
  assert.equal(volume.engine.versions.has(ino), false)
  await setXattr(fs, ino, 'user.atomic', '1')
  assert.equal(await getXattr(fs, ino, 'user.atomic'), '1')
})

test(
  'stat shows what is published to who has staged nothing, also of what was left',
  TIMEOUT,
  async () => {
    const { fs } = await v.freshFilesystem()
    const ino = await isolatedFile(fs, 'old')
    await setXattr(fs, ino, 'user.atomic.onclose', 'keep')
    await fs.setAttributes(ino, { size: 100 })
    assert.equal(await isStaged(fs, ino), true)
    for (const pid of [1, 2]) {
      assert.equal((await fs.getAttributes(ino, { ...v.CALLER, pid })).size, 3)
    }
    assert.equal(await text(fs, ino), 'old')
  },
)

test('the death of a writer drops what it has staged and nothing else', TIMEOUT, async () => {
  const { fs, processes } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, '0123456789')
  const dying = await openFile(fs, ino, v.O_RDWR, 66)
  const other = await openFile(fs, ino, v.O_RDWR, 2)
  await writeText(fs, dying, 'dead')
  await writeText(fs, other, 'alive', 5)
  processes.states.set(66, 'died')
  await close(fs, dying, 66)
  await close(fs, other, 2)
  assert.equal(await text(fs, ino), '01234alive')
})

test('close() tells that what was staged cannot be published', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, 'old')
  const [first, second] = [await openFile(fs, ino), await openFile(fs, ino)]
  await writeText(fs, first, 'abc')
  await writeText(fs, second, 'xyz')
  await close(fs, first)
  await refuses('EBUSY', async () => fs.flush(second, v.CALLER))
  await fs.release(second)
  assert.equal(await text(fs, ino), 'abc')
})

test('control attributes mean what the calling process has staged', TIMEOUT, async () => {
  const { fs, processes } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, '0123456789')
  const mine = await openFile(fs, ino, v.O_RDWR, 10)
  const others = await openFile(fs, ino, v.O_RDWR, 20)
  processes.parents.set(11, 10)
  await writeText(fs, mine, 'ab')
  await writeText(fs, others, 'cde', 5)
  const state = async (pid: number) =>
    Buffer.from(await fs.getXattr(ino, 'user.atomic.state', caller(pid))).toString()
  const set = async (name: string, pid: number) =>
    fs.setXattr(ino, `user.atomic.${name}`, Buffer.from('1'), 0, { caller: caller(pid) })
  assert.match(await state(10), /^state=staged/)
  assert.match(await state(11), /^state=staged/, 'a command that the process runs')
  assert.match(await state(30), /^state=clean/)
  assert.equal((await fs.getAttributes(ino, caller(10))).size, 10)
  await set('commit', 30)
  assert.equal(await text(fs, ino), '0123456789')
  await set('commit', 11)
  assert.equal(await text(fs, ino), 'ab23456789')
  await set('rollback', 20)
  assert.equal(await seen(fs, others), 'ab23456789')
  const second = await openFile(fs, ino, v.O_RDWR, 20)
  await writeText(fs, second, 'x')
  await writeText(fs, others, 'y', 4)
  await refuses('EINVAL', async () => set('rollback', 20))
  await fs.fsync(second)
  await set('rollback', 20)
  assert.equal(await seen(fs, others), 'xb23456789')
})

test('stat() shows what is published, and to who has staged something that', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, 'old')
  const fh = await openFile(fs, ino, v.O_RDWR, 10)
  await writeText(fs, fh, 'longer content')
  assert.equal((await fs.getAttributes(ino)).size, 3)
  assert.equal((await fs.getAttributes(ino, caller(20))).size, 3)
  const own = await fs.getAttributes(ino, caller(10))
  assert.deepEqual([own.size, own.isVolatile], [14, true])
})

test('truncate(2) is a transaction of its own', TIMEOUT, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, '0123456789')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'ab')
  await fs.setAttributes(ino, { size: 5 })
  assert.equal(await text(fs, ino), '01234')
  await fs.fsync(fh)
  assert.equal(await text(fs, ino), 'ab234')
  await close(fs, fh)
  assert.equal(volume.engine.versions.has(ino), false)
})

test('O_TRUNC empties what the handle sees, and the file when it publishes', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, 'old content')
  const reader = await openFile(fs, ino, O_RDONLY)
  const fh = await openFile(fs, ino, v.O_RDWR | v.O_TRUNC)
  assert.equal(await seen(fs, fh), '')
  assert.equal(await text(fs, ino), 'old content')
  await writeText(fs, fh, 'new')
  await close(fs, fh)
  assert.equal(await text(fs, ino), 'new')
  assert.equal(await seen(fs, reader), 'old content')
})

test('punching, zeroing and copying are isolated, too', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const content = Buffer.alloc(3 * 4096, 'x')
  const ino = await isolatedFile(fs, content)
  const source = await openFile(fs, await fileWith(fs, 'source', Buffer.alloc(8192, 's')))
  const [first, second, third] = [
    await openFile(fs, ino),
    await openFile(fs, ino),
    await openFile(fs, ino),
  ]
  const PUNCH = 3
  await fs.allocate(first, PUNCH, 100, 4096)
  await fs.copyRange({
    fh: source,
    offset: 0,
    targetFh: second,
    targetOffset: 8192,
    lengthBytes: 4096,
  })
  await writeText(fs, third, 'yes')
  assert.equal(await seen(fs, third, 100, 3), 'xxx')
  await fs.fsync(first)
  await fs.fsync(second)
  await fs.fsync(third)
  const expected = Buffer.from(content)
  expected.fill(0, 100, 4196).fill('s', 8192)
  expected.write('yes')
  assert.ok(Buffer.from(await text(fs, ino), 'latin1').equals(expected))
  // A copy out of a handle is one of what the handle sees.
  const target = await openFile(fs, await fileWith(fs, 'target', ''))
  await writeText(fs, third, 'mine')
  await fs.copyRange({ fh: third, offset: 0, targetFh: target, targetOffset: 0, lengthBytes: 9 })
  assert.equal(await seen(fs, target), 'minexxxxx')
})

test(
  'isolation is inherited, shown and listed, and begins when nobody has the file open',
  TIMEOUT,
  async () => {
    const { fs } = await v.freshFilesystem()
    const folder = await directory(fs, 'folder')
    await setXattr(fs, folder, 'user.atomic', 'isolated')
    const { ino, fh } = await v.createFile(fs, folder, 'a')
    assert.equal(await getXattr(fs, ino, 'user.atomic'), 'isolated')
    assert.deepEqual(await fs.listXattr(ino), ['user.atomic'])
    await refuses('EBUSY', async () => setXattr(fs, ino, 'user.atomic', '1'))
    await refuses('EBUSY', async () => setXattr(fs, ino, 'user.atomic', '0'))
    await setXattr(fs, ino, 'user.atomic', 'isolated')
    await writeText(fs, fh, 'content')
    await fs.flush(fh, v.CALLER)
    const closing = fs.release(fh)
    await setXattr(fs, ino, 'user.atomic', '0')
    await closing
    assert.equal(await text(fs, ino), 'content')
    await refuses('ENODATA', async () => getXattr(fs, ino, 'user.atomic'))
    await refuses('EINVAL', async () => setXattr(fs, ino, 'user.atomic', 'private'))
  },
)

test(
  'a mount can isolate all new files, but for those of folders that share',
  TIMEOUT,
  async () => {
    const { fs } = await v.freshFilesystem({ newFiles: 'isolated' })
    const folder = await directory(fs, 'folder')
    await setXattr(fs, folder, 'user.atomic', '1')
    const isolated = await fileWith(fs, 'a', 'x')
    const shared = await fileWith(fs, 'b', 'x', folder)
    assert.equal(await getXattr(fs, isolated, 'user.atomic'), 'isolated')
    assert.equal(await getXattr(fs, shared, 'user.atomic'), '1')
  },
)

test('a rename comes after what its file was closed with', TIMEOUT, async () => {
  const opened = await v.freshFilesystem({ newFiles: 'isolated' })
  const { fs } = opened
  await fileWith(fs, 'target', 'old')
  const { fh, ino } = await v.createFile(fs, v.ROOT, 'new')
  await writeText(fs, fh, 'new')
  await fs.flush(fh, v.CALLER)
  const releasing = fs.release(fh)
  await fs.rename(renameRequest('new', 'target'))
  assert.equal(await afterKill(opened, ino), 'new')
  await releasing
})

test(
  'a file that is removed goes on for who has it open, and its space comes back',
  TIMEOUT,
  async () => {
    const { fs, volume } = await v.freshFilesystem()
    const { allocator } = volume.engine.store
    await fileWith(fs, 'other', Buffer.alloc(4096, 1))
    await volume.engine.checkpointer.run()
    const before = allocator.mappedCount
    const ino = await isolatedFile(fs, Buffer.alloc(20 * 4096, 'o'))
    const [reader, writer] = [await openFile(fs, ino, O_RDONLY), await openFile(fs, ino)]
    await fs.write(writer, v.writeRequest(0, Buffer.alloc(20 * 4096, 'n')))
    await fs.fsync(writer)
    await writeText(fs, writer, 'staged')
    await fs.unlink(v.ROOT, 'a')
    fs.forget(ino, 1)
    await volume.engine.checkpointer.run()
    assert.equal(await seen(fs, reader), 'o'.repeat(20 * 4096))
    assert.equal(await seen(fs, writer), `staged${'n'.repeat(20 * 4096 - 6)}`)
    await close(fs, writer)
    await close(fs, reader)
    await fs.context.reaper.drain()
    await volume.engine.checkpointer.run()
    await volume.engine.checkpointer.run()
    assert.equal(allocator.mappedCount, before)
    assert.equal(allocator.pendingCount, 0)
  },
)

test(
  'several files are committed with what their handles have staged, all or none',
  TIMEOUT,
  async () => {
    const opened = await v.freshFilesystem()
    const { fs } = opened
    const folder = await directory(fs, 'folder')
    const shared = await fileWith(fs, 'shared', 'old', folder)
    await setXattr(fs, shared, 'user.atomic', '1')
    const ino = await fileWith(fs, 'isolated', '0123456789', folder)
    await setXattr(fs, ino, 'user.atomic', 'isolated')
    const sharing = await openFile(fs, shared)
    const mine = await openFile(fs, ino, v.O_RDWR, 10)
    const other = await openFile(fs, ino, v.O_RDWR, 20)
    const commit = async (pid: number) =>
      fs.setXattr(folder, 'user.atomic.commit', Buffer.from('shared\nisolated'), 0, {
        caller: caller(pid),
      })
    await writeText(fs, sharing, 'new')
    await writeText(fs, mine, 'abc')
    await writeText(fs, other, 'xyz', 2)
    await fs.fsync(other)
    await refuses('EBUSY', async () => commit(10))
    assert.equal(await afterKill(opened, shared), 'old')
    assert.equal(await seen(fs, mine), 'abc3456789')
    await fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0, { caller: caller(10) })
    await writeText(fs, mine, 'ab')
    await commit(10)
    assert.equal(await afterKill(opened, shared), 'new')
    assert.equal(await afterKill(opened, ino), 'abxyz56789')
  },
)

test('who comes after close(2) sees what it has published', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await isolatedFile(fs, 'old')
  for (const [i, content] of ['first', 'second'].entries()) {
    const fh = await openFile(fs, ino)
    await writeText(fs, fh, content)
    await fs.flush(fh, v.CALLER)
    const releasing = fs.release(fh)
    if (i === 0) assert.equal((await fs.getAttributes(ino)).size, 5)
    const after = await openFile(fs, ino, O_RDONLY)
    assert.equal(await seen(fs, after), content)
    await releasing
    await fs.release(after)
  }
})
