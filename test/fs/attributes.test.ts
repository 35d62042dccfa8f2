import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AttributeChanges, Attributes } from '../../src/fs/operations.ts'
import type { FilesystemOptions } from '../../src/fs/context.ts'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  close,
  directory,
  fileWith,
  openFile,
  refuses,
  renameRequest,
  stat,
  writeText,
} from './fixture.ts'

const TIMES = ['atimeNs', 'mtimeNs', 'ctimeNs', 'btimeNs'] as const

/** Which times an operation moved, by their first letters. */
function movedTimes(before: Attributes, after: Attributes): string {
  for (const time of TIMES) assert.ok(after[time] >= before[time], time)
  return TIMES.filter((time) => after[time] > before[time])
    .map((time) => time.charAt(0))
    .join('')
}

test('times keep their nanoseconds over a restart', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'x')
  const times = { atime: 1_234_567_890_123_456_789n, mtime: -987_654_321n }
  const set = await fs.setAttributes(ino, times)
  assert.deepEqual([set.atimeNs, set.mtimeNs], [times.atime, times.mtime])
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device)
  assert.deepEqual(await stat(again, ino), set)
})

test('what is staged has times of its own, and publishing changes none', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'x')
  const before = await stat(fs, ino)
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'y')
  const staged = await stat(fs, ino)
  assert.equal(movedTimes(before, staged), 'mc')
  await fs.fsync(fh)
  assert.deepEqual(await stat(fs, ino), staged)
  await fs.setAttributes(ino, { mtime: 5n, ctime: staged.ctimeNs + 1n })
  assert.equal((await stat(fs, ino)).mtimeNs, 5n)
})

test('the time of change is the one that the kernel has named last', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'x')
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'y')
  const { mtimeNs, ctimeNs } = await stat(fs, ino)
  await fs.setAttributes(ino, { mtime: mtimeNs, ctime: ctimeNs + 9n })
  await fs.setAttributes(ino, { uid: 5, ctime: ctimeNs + 5n })
  assert.equal((await stat(fs, ino)).ctimeNs, ctimeNs + 5n)
  await close(fs, fh)
  assert.equal((await stat(fs, ino)).ctimeNs, ctimeNs + 5n)
})

test('opening for reading is an access, unless it says otherwise', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem({ noAccessTimes: false })
  const ino = await fileWith(fs, 'a', 'x')
  const before = await stat(fs, ino)
  const NO_ACCESS_TIME = 0o1000000
  const LARGE_FILE = 0o100000
  for (const flags of [0, 1, v.O_RDWR | NO_ACCESS_TIME, NO_ACCESS_TIME]) {
    const fh = await openFile(fs, ino, flags)
    if (flags > 1) await fs.read(fh, 0, 1)
    await close(fs, fh)
    assert.equal(movedTimes(before, await stat(fs, ino)), '', flags.toString(8))
  }
  await close(fs, await openFile(fs, ino, LARGE_FILE))
  assert.equal(movedTimes(before, await stat(fs, ino)), 'a')
})

test('a mount keeps the times of access that it is told to', TIMEOUT, async () => {
  const LARGE_FILE = 0o100000
  const moved = async (options: Partial<FilesystemOptions>): Promise<string> => {
    const { fs } = await v.freshFilesystem({ noAccessTimes: false, ...options })
    const inos = [await fileWith(fs, 'a', 'x'), await directory(fs, 'folder')]
    const access = async (ino: number): Promise<void> => {
      if (ino === inos[0]) await close(fs, await openFile(fs, ino, LARGE_FILE))
      else await fs.readDirectory(fs.openDirectory(ino), 0)
    }
    const all: string[] = []
    for (const ino of inos) {
      for (let i = 0; i < 2; i++) {
        const before = await stat(fs, ino)
        await access(ino)
        all.push(movedTimes(before, await stat(fs, ino)))
      }
    }
    return all.join(',')
  }
  assert.equal(await moved({}), 'a,,a,')
  assert.equal(await moved({ strictAccessTimes: true }), 'a,a,a,a')
  assert.equal(await moved({ noDirectoryAccessTimes: true }), 'a,,,')
  assert.equal(await moved({ strictAccessTimes: true, noDirectoryAccessTimes: true }), 'a,a,,')
  assert.equal(await moved({ noAccessTimes: true }), ',,,')
})

test('each operation moves the times that POSIX names', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const file = await fileWith(fs, 'file', 'x')
  const folder = await directory(fs, 'folder')
  const target = await directory(fs, 'target')
  const expectMoved = async (
    moved: readonly [ino: number, times: string][],
    work: () => unknown,
  ): Promise<void> => {
    const before = await Promise.all(moved.map(async ([ino]) => stat(fs, ino)))
    await work()
    for (const [i, [ino, times]] of moved.entries()) {
      const [earlier] = before.slice(i)
      assert.ok(earlier !== undefined)
      assert.equal(movedTimes(earlier, await stat(fs, ino)), times, `${ino}: ${String(work)}`)
    }
  }
  await expectMoved([[file, 'c']], () => fs.setAttributes(file, { mode: 0o600 }))
  await expectMoved([[file, 'c']], () => fs.setAttributes(file, { uid: 3, gid: 4 }))
  await expectMoved([[file, 'c']], () => fs.setXattr(file, 'user.a', Buffer.from('b'), 0))
  await expectMoved([[file, 'c']], () => fs.removeXattr(file, 'user.a'))
  await expectMoved([[file, 'ac']], () => fs.setAttributes(file, { atime: 'now' }))
  await expectMoved([[file, 'mc']], () => fs.setAttributes(file, { mtime: 'now' }))
  await expectMoved([[file, 'mc']], () => fs.setAttributes(file, { size: 100 }))
  await expectMoved([[file, '']], () => v.contentOf(fs, file))
  const fh = await openFile(fs, file)
  await expectMoved([[file, 'mc']], async () => {
    await writeText(fs, fh, 'y')
    await close(fs, fh)
  })
  await expectMoved([[folder, 'mc'], [file, 'c']], () => fs.link(file, folder, 'b')) // prettier-ignore
  await expectMoved(
    [
      [folder, 'mc'],
      [target, 'mc'],
      [file, 'c'],
    ],
    () =>
      // prettier-ignore
      fs.rename({ ...renameRequest('b', 'c'), parent: folder, newParent: target }),
  )
  await expectMoved([[target, 'mc'], [file, 'c']], () => fs.unlink(target, 'c')) // prettier-ignore
  await expectMoved([[folder, 'mc']], () => directory(fs, 'inner', folder))
  await expectMoved([[folder, 'mc']], () => fs.removeDirectory(folder, 'inner'))
})

test('a time set by hand stays when earlier writes are published', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeText(fs, fh, 'copied')
  const set = await fs.setAttributes(ino, { atime: 5n, mtime: 7n })
  assert.equal(set.mtimeNs, 7n)
  await close(fs, fh)
  assert.equal((await stat(fs, ino)).mtimeNs, 7n)
})

test('times that the kernel writes back are published with the content', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', 'old')
  await fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0)
  const before = await stat(fs, ino)
  const fh = await openFile(fs, ino)
  await writeText(fs, fh, 'new')
  await fs.setAttributes(ino, { mtime: 9_999n, ctime: 9_999n, fh })
  await fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0)
  assert.equal((await stat(fs, ino)).mtimeNs, before.mtimeNs)
})

test('setAttributes() keeps the type and sets all permission bits', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  for (const mode of [0o7777, 0, 0o4755]) {
    assert.equal((await fs.setAttributes(ino, { mode: 0o100000 | mode })).mode, 0o100000 | mode)
  }
  assert.deepEqual(await fs.setAttributes(ino, {}), await stat(fs, ino))
})

test('a change of owner or content ends privileges', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const ino = await fileWith(fs, 'a', '')
  const modeAfter = async (mode: number, work: () => unknown): Promise<number> => {
    await fs.setAttributes(ino, { mode })
    await fs.setXattr(ino, 'security.capability', Buffer.from('cap'), 0)
    await work()
    await refuses('ENODATA', () => fs.getXattr(ino, 'security.capability'))
    return (await stat(fs, ino)).mode & 0o7777
  }
  const chown = (changes: AttributeChanges) => () => fs.setAttributes(ino, changes, v.CALLER)
  assert.equal(await modeAfter(0o6755, chown({ uid: 9 })), 0o755)
  assert.equal(await modeAfter(0o6745, chown({ gid: 9 })), 0o2745)
  assert.equal(await modeAfter(0o6755, chown({ ctime: 5n })), 0o755, 'chown of nothing')
  assert.equal(await modeAfter(0o6745, () => fs.setAttributes(ino, {})), 0o745)
  await fs.setAttributes(ino, { mode: 0o6755 })
  assert.equal(
    (await fs.setAttributes(ino, {}, v.CALLER)).mode & 0o7777,
    0o6755,
    'root has written',
  )
  const fh = await openFile(fs, ino)
  const write = { ...v.writeRequest(0, Buffer.from('x')), killPrivileges: true }
  assert.equal(await modeAfter(0o4755, () => fs.write(fh, write)), 0o755)
  const cut = { size: 0, killPrivileges: true }
  assert.equal(await modeAfter(0o4755, () => fs.setAttributes(ino, cut)), 0o755)
})
