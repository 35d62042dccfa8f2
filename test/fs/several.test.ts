/** Several files in one commit: by name, and as a group. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
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
  setXattr,
  text,
  writeText,
} from './fixture.ts'

type Fresh = Awaited<ReturnType<typeof v.freshFilesystem>>

/** What files would be after the death of the daemon. */
async function afterKill({ device }: Fresh, inos: readonly number[]): Promise<string[]> {
  const { fs } = await v.openTestFilesystem(new MemoryDevice(device.image()))
  return Promise.all(inos.map(async (ino) => text(fs, ino)))
}

async function stagedFile(fs: Filesystem, name: string, parent = v.ROOT) {
  const ino = await fileWith(fs, name, `old ${name}`, parent)
  await setXattr(fs, ino, 'user.atomic', '1')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, `new ${name}`)
  return { ino, fh }
}

const commit = async (fs: Filesystem, ino: number, ...names: string[]): Promise<void> =>
  setXattr(fs, ino, 'user.atomic.commit', names.join('\n'))

test('user.atomic.commit of a folder publishes the named files', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const sub = await directory(fs, 'sub')
  const { ino: a } = await stagedFile(fs, 'a')
  const { ino: b } = await stagedFile(fs, 'b', sub)
  const { ino: c } = await stagedFile(fs, 'c')
  await commit(fs, v.ROOT, 'a', './sub/b', 'a', '')
  assert.deepEqual(await afterKill(opened, [a, b, c]), ['new a', 'new b', 'old c'])
  assert.ok(await isStaged(fs, c))
  await commit(fs, sub, 'b')
  await commit(fs, v.ROOT, 'c', 'a')
  assert.deepEqual(await afterKill(opened, [a, b, c]), ['new a', 'new b', 'new c'])
})

test('a name that cannot be committed keeps all others from it', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const sub = await directory(fs, 'sub')
  await fs.makeSymlink(v.ROOT, 'link', Buffer.from('sub'), v.CALLER)
  const { ino } = await stagedFile(fs, 'a')
  for (const [code, name] of [
    ['ENOENT', 'none'],
    ['ENOENT', 'sub/none'],
    ['EINVAL', 'sub'],
    ['EINVAL', '../a'],
    ['EINVAL', '/a'],
    ['EINVAL', 'link'],
    ['ELOOP', 'link/b'],
    ['ENOTDIR', 'a/b'],
    ['ENAMETOOLONG', 'x'.repeat(256)],
  ] as const) {
    await refuses(code, () => commit(fs, v.ROOT, 'a', name))
  }
  await refuses('EINVAL', () => commit(fs, sub, '\n'))
  assert.deepEqual(await afterKill(opened, [ino]), ['old a'])
  assert.ok(await isStaged(fs, ino))
})

test('who may not write a file may not publish it by a folder', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const sub = await directory(fs, 'sub')
  const { ino } = await stagedFile(fs, 'a', sub)
  const caller = { uid: 1000, gid: 1000, pid: 1 }
  const by = (): unknown =>
    fs.setXattr(v.ROOT, 'user.atomic.commit', Buffer.from('sub/a'), 0, { caller })
  await refuses('EACCES', by)
  await fs.setAttributes(ino, { mode: 0o666 })
  await fs.setAttributes(sub, { mode: 0o700 })
  await refuses('EACCES', by)
  await fs.setAttributes(sub, { mode: 0o711 })
  await by()
  assert.equal(await isStaged(fs, ino), false)
})

for (const [ringBlocks, how] of [
  [16_384, 'as pages of several records'],
  [1024, 'as blocks, where the ring is small'],
] as const) {
  test(`thousands of files are one commit, ${how}`, TIMEOUT, async () => {
    const device = new MemoryDevice(emptyImage(ringBlocks))
    await v.makeTestVolume(device)
    const opened = { ...(await v.openTestFilesystem(device)), device }
    const { fs } = opened
    const names = Array.from({ length: 2000 }, (_, i) => `f${i}`)
    const inos: number[] = []
    for (const name of names) inos.push((await stagedFile(fs, name)).ino)
    assert.deepEqual(await afterKill(opened, inos), names.map((name) => `old ${name}`)) // prettier-ignore
    await commit(fs, v.ROOT, ...names)
    assert.deepEqual(await afterKill(opened, inos), names.map((name) => `new ${name}`)) // prettier-ignore
  })
}

test('what does not fit any commit is refused, and stays staged', TIMEOUT, async () => {
  const device = new MemoryDevice(emptyImage(256))
  await v.makeTestVolume(device)
  const opened = { ...(await v.openTestFilesystem(device)), device }
  const names = Array.from({ length: 1500 }, (_, i) => `f${i}`)
  const inos: number[] = []
  for (const name of names) inos.push((await stagedFile(opened.fs, name)).ino)
  await refuses('EFBIG', () => commit(opened.fs, v.ROOT, ...names))
  assert.ok((await afterKill(opened, inos)).every((content) => content.startsWith('old')))
  await commit(opened.fs, v.ROOT, ...names.slice(0, 500))
  assert.deepEqual(await afterKill(opened, inos.slice(499, 501)), ['new f499', 'old f500'])
})

test('publishing one file of a group publishes all of them', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const { ino: a, fh: fhA } = await stagedFile(fs, 'a')
  const { ino: b, fh: fhB } = await stagedFile(fs, 'b')
  const { ino: c, fh: fhC } = await stagedFile(fs, 'c')
  const { ino: other } = await stagedFile(fs, 'other')
  for (const ino of [a, b, c]) await setXattr(fs, ino, 'user.atomic.group', 'accounts')
  await setXattr(fs, other, 'user.atomic.group', 'others')
  assert.equal(await getXattr(fs, a, 'user.atomic.group'), 'accounts')
  assert.deepEqual(await fs.listXattr(a), ['user.atomic'], 'copies do not join')

  await fs.fsync(fhB)
  const all = [a, b, c, other]
  assert.deepEqual(await afterKill(opened, all), ['new a', 'new b', 'new c', 'old other'])

  await writeText(fs, fhA, '2nd')
  await writeText(fs, fhB, '2nd')
  await fs.removeXattr(b, 'user.atomic.group')
  await refuses('ENODATA', () => fs.removeXattr(b, 'user.atomic.group'))
  await refuses('ENODATA', () => getXattr(fs, b, 'user.atomic.group'))
  await close(fs, fhC)
  assert.equal(await isStaged(fs, a), true, 'nothing was staged, so closing publishes nothing')
  await fs.fsync(await openFile(fs, c))
  assert.deepEqual(await afterKill(opened, all), ['2nd a', 'new b', 'new c', 'old other'])
})

test('a commit of a folder publishes the groups of the files that it names', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const files = await Promise.all(['a', 'b', 'c', 'd'].map(async (name) => stagedFile(fs, name)))
  const inos = files.map(({ ino }) => ino)
  for (const ino of inos.slice(0, 3)) await setXattr(fs, ino, 'user.atomic.group', 'g')
  await commit(fs, v.ROOT, 'a', 'b')
  assert.deepEqual(await afterKill(opened, inos), ['new a', 'new b', 'new c', 'old d'])
})

test('a group is of one owner, and of atomic files', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const mine = await stagedFile(fs, 'mine')
  const yours = await stagedFile(fs, 'yours')
  await fs.setAttributes(yours.ino, { uid: 1000 })
  for (const { ino } of [mine, yours]) await setXattr(fs, ino, 'user.atomic.group', 'g')
  await fs.fsync(mine.fh)
  assert.deepEqual(await afterKill(opened, [mine.ino, yours.ino]), ['new mine', 'old yours'])
  await refuses('EINVAL', () => setXattr(fs, mine.ino, 'user.atomic.group', ''))
  await refuses('EINVAL', () => setXattr(fs, v.ROOT, 'user.atomic.group', 'g'))
  // Opting out publishes what is staged, and so all of the group.
  await fs.setAttributes(yours.ino, { uid: 0 })
  await writeText(fs, mine.fh, 'out')
  await setXattr(fs, mine.ino, 'user.atomic', '0')
  assert.deepEqual(await afterKill(opened, [mine.ino, yours.ino]), ['out mine', 'new yours'])
})

test(
  'what the kernel has cached of open files is asked for before the commit',
  TIMEOUT,
  async () => {
    const device = new MemoryDevice(emptyImage(1024))
    await v.makeTestVolume(device)
    const asked: number[] = []
    let late: ((ino: number) => Promise<void>) | undefined
    const collect = async (inos: readonly number[]): Promise<void> => {
      asked.push(...inos)
      await new Promise((resolve) => setImmediate(resolve))
      await Promise.all(inos.map(async (ino) => late?.(ino)))
    }
    const kernel = { ...v.NO_KERNEL, collect }
    const opened = { ...(await v.openTestFilesystem(device, { kernel })), device }
    const { fs } = opened
    const names = Array.from({ length: 30 }, (_, i) => `f${i}`)
    const files = []
    for (const name of names) files.push(await stagedFile(fs, name))
    const closed = files.slice(20)
    for (const { fh } of closed) await close(fs, fh)
    const open = files.slice(0, 20)
    asked.length = 0
    // A page that is still dirty comes while the kernel is asked.
    late = async (ino) => {
      const file = open.find((one) => one.ino === ino)
      assert.ok(file !== undefined)
      await writeText(fs, file.fh, 'LATE')
    }
    await commit(fs, v.ROOT, ...names)
    assert.deepEqual(asked.toSorted((a, b) => a - b), open.map(({ ino }) => ino)) // prettier-ignore
    const inos = files.map(({ ino }) => ino)
    const expected = names.map((name, i) => (i < 20 ? `LATE${name}` : `new ${name}`))
    assert.deepEqual(await afterKill(opened, inos), expected)

    late = () => Promise.reject(new Error('the kernel does not take it'))
    for (const { fh } of open) await writeText(fs, fh, 'more')
    await assert.rejects(commit(fs, v.ROOT, ...names), /does not take it/)
    assert.deepEqual(await afterKill(opened, inos), expected)
  },
)
