/**
 * The whole way from system calls to a filesystem and back, on a real mount. The filesystem runs in
 * a process of its own: a process that waits for its own mount would wait for ever.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, readFileSync, readlinkSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProcFilesystem } from '../../src/fs/processes.ts'
import { mountByHelper } from '../../src/fuse/kernel/fusermount.ts'
import { unmount } from '../../src/fuse/kernel/unmount.ts'
import { makeMountpoint, startMounted } from './support/mounted.ts'

const TEST = { timeout: 60_000 }
const PAGE = 4096

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

test('the mount table shows type and source verbatim', TEST, async (context) => {
  const { path } = await startMounted(context, { source: '/some volume', mountOptions: ['nodev'] })
  assert.match(mountLine(path), /^\/some\\040volume .* fuse\.oatomic rw,nodev,/)
})

test('a file keeps what was written, synced and renamed', TEST, async (context) => {
  const mounted = await startMounted(context)
  const content = randomBytes(3 * 1024 * 1024 + 17)
  const file = await fs.open(join(mounted.path, 'new'), 'wx')
  await file.write(content)
  await file.sync()
  const { ino } = await file.stat()
  assert.equal(await mounted.tell({ verb: 'digest', ino }), sha256(content))
  await file.close()
  await fs.rename(join(mounted.path, 'new'), join(mounted.path, 'name'))
  assert.deepEqual(await fs.readdir(mounted.path), ['name'])
  await mounted.tell({ verb: 'invalidate', ino })
  assert.equal(sha256(await fs.readFile(join(mounted.path, 'name'))), sha256(content))
  await fs.unlink(join(mounted.path, 'name'))
  assert.deepEqual(await fs.readdir(mounted.path), [])
  assert.deepEqual((await mounted.state(1)).bugs, [])
})

test('directories, links and attributes', TEST, async (context) => {
  const { path } = await startMounted(context)
  await fs.mkdir(join(path, 'folder'), { mode: 0o750 })
  await fs.writeFile(join(path, 'folder', 'file'), 'text')
  await fs.link(join(path, 'folder', 'file'), join(path, 'second'))
  await fs.symlink('folder/file', join(path, 'link'))
  assert.equal(await fs.readlink(join(path, 'link')), 'folder/file')
  assert.equal(await fs.readFile(join(path, 'link'), 'utf8'), 'text')
  assert.equal((await fs.stat(join(path, 'second'))).nlink, 2)
  assert.equal((await fs.stat(join(path, 'folder'))).mode, 0o040750)
  await fs.chmod(join(path, 'second'), 0o600)
  await fs.utimes(join(path, 'second'), 10, 20)
  const { mode, atimeMs, mtimeMs } = await fs.stat(join(path, 'folder', 'file'))
  assert.deepEqual([mode, atimeMs, mtimeMs], [0o100600, 10_000, 20_000])
  await assert.rejects(fs.rmdir(join(path, 'folder')), { code: 'ENOTEMPTY' })
  await fs.rm(join(path, 'folder'), { recursive: true })
  assert.equal((await fs.statfs(path)).blocks, 1000)
})

test('names are bytes, up to 255 of them', TEST, async (context) => {
  const { path } = await startMounted(context)
  const name = Buffer.alloc(255, 0xfe)
  const full = Buffer.concat([Buffer.from(`${path}/`), name])
  await fs.writeFile(full, 'x')
  assert.equal(await fs.readFile(full, 'utf8'), 'x')
  assert.deepEqual(await fs.readdir(path, { encoding: 'buffer' }), [name])
})

test('a missing name is missing until it is made', TEST, async (context) => {
  const { path } = await startMounted(context)
  await assert.rejects(fs.stat(join(path, 'missing')), { code: 'ENOENT' })
  await assert.rejects(fs.stat(join(path, 'missing')), { code: 'ENOENT' })
  await fs.writeFile(join(path, 'missing'), '')
  assert.equal((await fs.stat(join(path, 'missing'))).size, 0)
})

test('an unlinked file lives while it is open', TEST, async (context) => {
  const mounted = await startMounted(context)
  const file = await fs.open(join(mounted.path, 'file'), 'w+')
  await file.write('content')
  await fs.unlink(join(mounted.path, 'file'))
  const { ino } = await file.stat()
  assert.equal((await file.read(Buffer.alloc(7), 0, 7, 0)).buffer.toString(), 'content')
  await file.close()
  await waitUntil(async () => (await mounted.state(ino)).lookupCount === undefined)
  assert.deepEqual((await mounted.state(1)).bugs, [])
})

test('200 files made at once are all there', TEST, async (context) => {
  const mounted = await startMounted(context)
  const names = Array.from({ length: 200 }, (_, index) => `file ${String(index)}`)
  await Promise.all(
    names.map(async (name) => {
      await fs.writeFile(join(mounted.path, name), name.repeat(2_000))
    }),
  )
  assert.deepEqual((await fs.readdir(mounted.path)).toSorted(), names.toSorted())
  for (const name of names) {
    assert.equal(await fs.readFile(join(mounted.path, name), 'utf8'), name.repeat(2_000))
  }
  await Promise.all(names.map(async (name) => fs.unlink(join(mounted.path, name))))
  assert.deepEqual((await mounted.state(1)).bugs, [])
})

test('invalidate() has dirty pages written back first', TEST, async (context) => {
  const mounted = await startMounted(context)
  const content = randomBytes(20 * PAGE)
  const file = await fs.open(join(mounted.path, 'file'), 'w+')
  await file.write(content)
  const { ino } = await file.stat()
  await mounted.tell({ verb: 'invalidate', ino })
  assert.equal(await mounted.tell({ verb: 'digest', ino }), sha256(content))
  await file.close()
})

test('invalidate() has content read again', TEST, async (context) => {
  const mounted = await startMounted(context)
  const name = join(mounted.path, 'file')
  const file = await fs.open(name, 'w+')
  await file.write('old text')
  await file.sync()
  const { ino } = await file.stat()
  await mounted.tell({ verb: 'replace', ino, text: 'new text' })
  assert.equal(await fs.readFile(name, 'utf8'), 'old text')
  await mounted.tell({ verb: 'invalidate', ino })
  assert.equal(await fs.readFile(name, 'utf8'), 'new text')
  await file.close()
})

for (const writebackCache of [true, false]) {
  test(
    `resize() is seen by programs, writebackCache=${String(writebackCache)}`,
    TEST,
    async (context) => {
      const mounted = await startMounted(context, { writebackCache })
      const name = join(mounted.path, 'file')
      const file = await fs.open(name, 'w+')
      await file.write(randomBytes(5 * PAGE))
      await file.sync()
      const { ino } = await file.stat()
      const before = await mounted.state(ino)
      for (const size of [PAGE + 5, 3 * PAGE, 0]) {
        await mounted.tell({ verb: 'resize', ino, size })
        assert.equal((await file.stat()).size, size)
        assert.equal((await mounted.state(ino)).size, size)
      }
      const after = await mounted.state(ino)
      assert.equal(after.mtimeMs, before.mtimeMs, 'no SETATTR got through')
      assert.equal(after.openedCount, before.openedCount, 'nobody else has opened the file')
      await file.close()
      await fs.unlink(name)
      await waitUntil(async () => (await mounted.state(ino)).lookupCount === undefined)
      assert.deepEqual((await mounted.state(1)).bugs, [], 'references are balanced')
    },
  )
}

test('resize() of an unlinked open file works', TEST, async (context) => {
  const mounted = await startMounted(context)
  const file = await fs.open(join(mounted.path, 'file'), 'w+')
  await file.write(randomBytes(5 * PAGE))
  await fs.unlink(join(mounted.path, 'file'))
  const { ino } = await file.stat()
  await mounted.tell({ verb: 'resize', ino, size: 7 })
  assert.equal((await file.stat()).size, 7)
  await file.close()
  await waitUntil(async () => (await mounted.state(ino)).lookupCount === undefined)
})

test('who is killed while he waits for an fsync can be told', TEST, async (context) => {
  const mounted = await startMounted(context)
  const processes = new ProcFilesystem(mounted.path)
  await mounted.tell({ verb: 'hold-syncs', ino: 1 })
  const program = 'import os, sys; os.fsync(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY))'
  const child = spawn('python3', ['-c', program, join(mounted.path, 'file')])
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await waitUntil(async () => (await mounted.state(1)).syncingPid !== 0)
  const { syncingPid } = await mounted.state(1)
  assert.equal(syncingPid, child.pid)
  assert.equal(processes.isKilled(syncingPid), false)
  child.kill('SIGTERM')
  assert.equal(processes.isKilled(syncingPid), true)
  await mounted.tell({ verb: 'let-syncs-go', ino: 1 })
  await ended
  assert.equal(processes.isKilled(syncingPid), false)
})

test('what a killed daemon leaves is cleared away', TEST, async (context) => {
  const path = await makeMountpoint(context)
  const first = await startMounted(context, {}, path)
  first.process.kill('SIGKILL')
  await first.ended
  await assert.rejects(fs.statfs(path), { code: 'ENOTCONN' })
  const second = await startMounted(context, {}, path)
  await fs.writeFile(join(second.path, 'file'), '')
})

test('a second mount on the same directory is refused', TEST, async (context) => {
  const { path } = await startMounted(context)
  await assert.rejects(startMounted(context, { logLevel: 'silent' }, path), /ended with/)
})

test('the session ends after an unmount by somebody else', TEST, async (context) => {
  const mounted = await startMounted(context)
  const file = await fs.open(join(mounted.path, 'file'), 'w')
  await assert.rejects(unmount(mounted.path), { code: 'EBUSY' })
  await file.close()
  await unmount(mounted.path)
  assert.equal(await mounted.ended, 0)
})

test('mountByHelper() receives the device from fusermount3', TEST, async (context) => {
  const path = await makeMountpoint(context)
  const fd = await mountByHelper(path, ['fsname=/volume\\, with comma', 'subtype=oatomic'])
  assert.match(mountLine(path), /^\/volume,\\040with\\040comma .* fuse\.oatomic /)
  assert.equal(readlinkSync(`/proc/self/fd/${String(fd)}`), '/dev/fuse')
  closeSync(fd)
  await unmount(path)
})

function mountLine(path: string): string {
  const lines = readFileSync('/proc/self/mounts', 'latin1').split('\n')
  return lines.find((each) => each.includes(` ${path} `)) ?? ''
}

/** Forgetting comes when the kernel finds time for it. */
async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail('What was waited for has not happened')
}
