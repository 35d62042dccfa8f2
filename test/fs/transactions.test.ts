/**
 * Goal: between START and COMMIT or ABORT nothing but COMMIT publishes a file, of whichever kind it
 * is; ABORT returns to the last START, in content, size and space; and a transaction never outlives
 * the handle and the process that have begun it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import type { ProcessState } from '../../src/fs/process-text.ts'
import { Random } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, fileWith, getXattr, isStaged, openFile, refuses, renameRequest, setXattr, stat, text, writeText } from './fixture.ts' // prettier-ignore

const START = 0xf501
const COMMIT = 0xf502
const ABORT = 0xf505
const FEATURES = 0x8004_f50c
const REPLACE = 0xf519
const OWNER = 100
const OTHER = 200
const KINDS = ['ordinary', 'atomic'] as const

type Opened = Awaited<ReturnType<typeof v.freshFilesystem>>

async function ioctl(fs: Opened['fs'], fh: number, command: number, pid = OWNER): Promise<Buffer> {
  const request = { ino: 0, fh, isDirectory: false, command, input: new Uint8Array(0) }
  const { ino } = fs.context.files.handle(fh).file
  return Buffer.from(await fs.ioctl({ ...request, ino }, { ...v.CALLER, pid }))
}

async function opened(kind: (typeof KINDS)[number], content: string | Uint8Array = 'old') {
  const all = await v.freshFilesystem()
  const ino = await fileWith(all.fs, 'a', content)
  if (kind === 'atomic') await setXattr(all.fs, ino, 'user.atomic', '1')
  const fh = await openFile(all.fs, ino, v.O_RDWR, OWNER)
  return { ...all, ino, fh, does: (command: number) => ioctl(all.fs, fh, command) }
}

/** What a crash would leave. */
async function published({ device }: Pick<Opened, 'device'>, ino: number): Promise<string> {
  const { fs } = await v.openTestFilesystem(new MemoryDevice(device.image()))
  return text(fs, ino)
}

for (const kind of KINDS) {
  test(`only COMMIT publishes an ${kind} file in a transaction`, TIMEOUT, async () => {
    const { fs, device, volume, ino, fh, does } = await opened(kind)
    const other = await openFile(fs, ino, v.O_RDWR, OTHER)
    await fileWith(fs, 'b', 'replaced')
    await does(START)
    await writeText(fs, fh, 'new')
    await fs.fsync(fh)
    await fs.fsync(other)
    await fs.writeBack()
    await fs.flush(other, { ...v.CALLER, pid: OTHER })
    await fs.release(other)
    await fs.rename(renameRequest('a', 'b'))
    await fs.fsyncDirectory()
    assert.equal(await text(fs, ino), 'new')
    assert.equal(await published({ device }, ino), 'old')
    await does(COMMIT)
    assert.equal(await published({ device }, ino), 'new')
    assert.ok(volume.engine.journal.isDurable, 'the fsync that follows has nothing to flush')
    await does(START)
    await writeText(fs, fh, 'lost')
    await close(fs, fh, OWNER)
    assert.equal(await text(fs, ino), 'new')
  })

  test(`ABORT returns to the START before it, in an ${kind} file`, TIMEOUT, async () => {
    const { fs, device, ino, fh, does } = await opened(kind)
    await writeText(fs, fh, 'before')
    await does(START)
    await writeText(fs, fh, 'first, and longer')
    await does(START)
    await fs.setAttributes(ino, { size: 2, fh })
    await writeText(fs, fh, 'second', 10_000)
    assert.match(await getXattr(fs, ino, 'user.atomic.state'), /^savepoints=2$/m)
    await does(ABORT)
    assert.equal(await text(fs, ino), 'first, and longer')
    assert.equal((await stat(fs, ino)).size, 17)
    await does(ABORT)
    assert.equal(await text(fs, ino), 'before')
    await does(ABORT)
    assert.equal(await text(fs, ino), 'before', 'without a transaction nothing is aborted')
    assert.equal(await published({ device }, ino), kind === 'atomic' ? 'old' : 'before')
    await fs.fsync(fh)
    assert.equal(await published({ device }, ino), 'before')
  })

  test(`COMMIT publishes all savepoints of an ${kind} file in one`, TIMEOUT, async () => {
    const { fs, device, ino, fh, does } = await opened(kind)
    await writeText(fs, fh, 'aaaaaa')
    await does(START)
    await writeText(fs, fh, 'bb', 1)
    await does(START)
    await fs.setAttributes(ino, { size: 4, fh })
    await does(START)
    await writeText(fs, fh, 'c', 5)
    await does(COMMIT)
    assert.equal(await text(fs, ino), 'abba\0c')
    assert.equal(await published({ device }, ino), 'abba\0c')
    assert.equal(await isStaged(fs, ino), false)
    await does(ABORT)
    assert.equal(await text(fs, ino), 'abba\0c')
  })

  test(`START_ATOMIC_REPLACE begins with an empty ${kind} file`, TIMEOUT, async () => {
    const { fs, device, ino, fh, does } = await opened(kind, 'a long old content')
    await does(REPLACE)
    assert.equal((await stat(fs, ino)).size, 0)
    await writeText(fs, fh, 'short')
    await does(ABORT)
    assert.equal(await text(fs, ino), 'a long old content')
    await does(REPLACE)
    await writeText(fs, fh, 'short')
    assert.equal(await published({ device }, ino), 'a long old content')
    await does(COMMIT)
    assert.equal(await published({ device }, ino), 'short')
  })
}

test('COMMIT without START is an fsync', TIMEOUT, async () => {
  const { fs, device, ino, fh, does } = await opened('atomic')
  await writeText(fs, fh, 'new')
  await does(COMMIT)
  assert.equal(await published({ device }, ino), 'new')
})

test('F2FS_IOC_GET_FEATURES answers the atomic-write bit to everybody', TIMEOUT, async () => {
  const { fs, ino } = await opened('ordinary')
  const reader = await openFile(fs, ino, 0, OTHER)
  assert.deepEqual([...(await ioctl(fs, reader, FEATURES))], [4, 0, 0, 0])
})

test('a transaction is for those who may write', TIMEOUT, async () => {
  const { fs, ino, fh } = await opened('ordinary')
  const reader = await openFile(fs, ino, 0, OTHER)
  for (const command of [START, COMMIT, ABORT, REPLACE]) {
    await refuses('EBADF', () => ioctl(fs, reader, command))
  }
  await refuses('ENOTTY', () => ioctl(fs, fh, 0xf503))
  const directory = { ino: v.ROOT, fh: fs.openDirectory(v.ROOT), isDirectory: true }
  const start = { ...directory, command: START, input: new Uint8Array(0) }
  await refuses('ENOTTY', async () => fs.ioctl(start, v.CALLER))
  const flags = { ino, fh, isDirectory: false, command: 0x4008_6602 }
  await fs.ioctl({ ...flags, input: Uint8Array.of(0x20, 0, 0, 0) }, v.CALLER)
  for (const command of [START, REPLACE]) await refuses('EPERM', () => ioctl(fs, fh, command))
})

test('a transaction is ended by whoever has begun it', TIMEOUT, async () => {
  const { fs, ino, fh, does } = await opened('ordinary')
  const other = await openFile(fs, ino, v.O_RDWR, OTHER)
  await does(START)
  await writeText(fs, fh, 'new')
  for (const command of [START, COMMIT, ABORT, REPLACE]) {
    await refuses('EBUSY', () => ioctl(fs, other, command, OTHER))
  }
  await refuses('EBUSY', () => setXattr(fs, ino, 'user.atomic.commit', '1'))
  await setXattr(fs, ino, 'user.atomic.rollback', '1')
  assert.equal(await text(fs, ino), 'old')
  await ioctl(fs, other, START, OTHER)
  await refuses('EBUSY', () => does(COMMIT))
  await ioctl(fs, other, ABORT, OTHER)
  await refuses('ECANCELED', () => does(COMMIT))
  await does(COMMIT)
})

test('opting in and out does not publish a transaction', TIMEOUT, async () => {
  const all = await opened('ordinary')
  const { fs, ino, fh, does } = all
  await does(START)
  await writeText(fs, fh, 'new')
  for (const value of ['1', '0']) {
    await setXattr(fs, ino, 'user.atomic', value)
    assert.equal(await published(all, ino), 'old')
  }
  await does(ABORT)
  assert.equal(await text(fs, ino), 'old')
})

const ENDS: readonly [state: ProcessState, holds: boolean, isAborted: boolean][] = [
  ['running', false, true],
  ['running', true, false],
  ['exited', true, true],
  ['died', true, true],
  ['unknown', false, false],
]

for (const [state, holds, isAborted] of ENDS) {
  const what = `a close by its process, ${state}${holds ? ', with a further descriptor' : ''}`
  test(`${what}: the transaction ${isAborted ? 'is aborted' : 'goes on'}`, TIMEOUT, async () => {
    const { fs, processes, ino, fh, does } = await opened('ordinary')
    // Another process has the file open: its descriptor keeps no transaction of somebody else.
    await openFile(fs, ino, v.O_RDWR, OTHER)
    processes.otherWriter = true
    await does(START)
    await writeText(fs, fh, 'new')
    processes.states.set(OWNER, state)
    if (holds) processes.holding.add(OWNER)
    await fs.flush(fh, { ...v.CALLER, pid: OWNER })
    assert.equal(await text(fs, ino), isAborted ? 'old' : 'new')
    await fs.release(fh)
    assert.equal(await text(fs, ino), 'old')
  })
}

test('a close by another process leaves a transaction alone', TIMEOUT, async () => {
  const { fs, processes, ino, fh, does } = await opened('ordinary')
  await does(START)
  await writeText(fs, fh, 'new')
  processes.states.set(OTHER, 'died')
  await fs.flush(fh, { ...v.CALLER, pid: OTHER })
  assert.equal(await text(fs, ino), 'new')
  await does(COMMIT)
  assert.equal(await text(fs, ino), 'new')
})

test('an unmount drops a transaction, and keeps what was there before it', TIMEOUT, async () => {
  const all = await opened('ordinary')
  const { fs, ino, fh, does } = all
  await does(START)
  await writeText(fs, fh, 'in the transaction')
  await fs.finish()
  assert.equal(await published(all, ino), 'old')
})

test('a COMMIT that has lost a cached write fails, and ABORT restores', TIMEOUT, async () => {
  const all = await opened('ordinary')
  const { fs, volume, ino, fh, does } = all
  await does(START)
  await writeText(fs, fh, 'new')
  const { allocator, device } = volume.engine.store
  allocator.reserve(allocator.availableCount)
  Object.defineProperty(device.blocks, 'grow', {
    value: () => {
      throw new FsError('ENOSPC', 'full')
    },
  })
  const request = { ...v.writeRequest(4096, Buffer.from('lost')), fromCache: true }
  await refuses('ENOSPC', () => fs.write(fh, request))
  await refuses('ENOSPC', () => does(COMMIT))
  await refuses('ENOSPC', () => does(START))
  await does(ABORT)
  assert.equal(await text(fs, ino), 'old')
  await writeText(fs, fh, 'fix')
  await fs.fsync(fh)
  assert.equal(await text(fs, ino), 'fix')
})

interface Changed {
  readonly ino: number
  readonly fh: number
  /** Another file, to copy from. */
  readonly sourceFh: number
  readonly source: Buffer
}

/** Small, large and at the edges: every way in which content is staged. */
async function change(
  fs: Opened['fs'],
  { ino, fh, sourceFh, source }: Changed,
  random: Random,
  content: Buffer,
): Promise<Buffer> {
  const at = random.int(300) * (random.oneIn(2) ? 4096 : 1237)
  const length = random.oneIn(3) ? (1 + random.int(90)) * 4096 : 1 + random.int(9000)
  const choice = random.int(8)
  if (choice >= 6) {
    const from = random.int(40) * 4096
    const lengthBytes = Math.min((1 + random.int(30)) * 4096, source.length - from)
    const targetOffset = random.int(300) * 4096
    await fs.copyRange({ fh: sourceFh, offset: from, targetFh: fh, targetOffset, lengthBytes })
    return spliced(content, targetOffset, source.subarray(from, from + lengthBytes))
  }
  if (choice === 0) {
    const size = random.oneIn(3) ? 0 : at
    await fs.setAttributes(ino, { size, fh })
    const next = Buffer.alloc(size)
    content.copy(next)
    return next
  }
  if (choice === 1) {
    await fs.allocate(fh, 3, at, length)
    const next = Buffer.from(content)
    return next.fill(0, Math.min(at, next.length), Math.min(at + length, next.length))
  }
  const data = random.bytes(length)
  await fs.write(fh, v.writeRequest(at, data))
  return spliced(content, at, data)
}

function spliced(content: Buffer, at: number, data: Uint8Array): Buffer {
  const next = Buffer.alloc(Math.max(content.length, at + data.length))
  content.copy(next)
  next.set(data, at)
  return next
}

for (const kind of KINDS) {
  test(
    `any changes and any savepoints of an ${kind} file, and no space is lost`,
    { timeout: 60_000 },
    async () => {
      const seed = Number(process.env['OATOMIC_SEED'] ?? Math.floor(Math.random() * 1e9))
      const random = new Random(seed)
      const all = await opened(kind, new Uint8Array(random.oneIn(4) ? 20_000_000 : 900_000).fill(7))
      const { fs, volume, ino, fh, does } = all
      const saved: Buffer[] = []
      const source = Buffer.from(random.bytes(60 * 4096))
      const other = await fileWith(fs, 'source', source)
      const changed = { ino, fh, sourceFh: await openFile(fs, other), source }
      let content: Buffer = Buffer.from(await v.contentOf(fs, ino))
      for (let step = 0; step < 300; step++) {
        const choice = random.int(12)
        if (choice === 0 && saved.length < 6) {
          await does(START)
          saved.push(content)
        } else if (choice === 1) {
          await does(ABORT)
          content = saved.pop() ?? content
        } else if (choice === 2 && random.oneIn(2)) {
          await does(COMMIT)
          saved.length = 0
        } else if (choice === 3) {
          await volume.engine.checkpointer.run()
        } else {
          content = await change(fs, changed, random, content)
        }
        const actual = await v.contentOf(fs, ino)
        assert.ok(actual.equals(content), `seed ${seed}, step ${step}`)
        assert.equal((await stat(fs, ino)).size, content.length, `seed ${seed}, step ${step}`)
      }
      await does(COMMIT)
      const { fs: again } = await v.openTestFilesystem(new MemoryDevice(all.device.image()))
      assert.ok((await v.contentOf(again, ino)).equals(content), `seed ${seed}`)
      await close(fs, fh, OWNER)
      await close(fs, changed.sourceFh, OWNER)
      for (const [name, left] of [
        ['a', ino],
        ['source', other],
      ] as const) {
        await fs.unlink(v.ROOT, name)
        fs.forget(left, 1)
      }
      await fs.context.reaper.drain()
      await volume.engine.checkpointer.run()
      const { allocator } = volume.engine.store
      assert.equal(allocator.mappedCount, 0)
      assert.equal(allocator.availableCount, allocator.blockCount - 1, `seed ${seed}`)
    },
  )
}

/** What a handle sees. */
async function seen(fs: Opened['fs'], fh: number): Promise<string> {
  return Buffer.concat(await fs.read(fh, 0, 100_000)).toString('latin1')
}

test('of an isolated file each handle has transactions of its own', TIMEOUT, async () => {
  const all = await v.freshFilesystem()
  const { fs } = all
  const ino = await fileWith(fs, 'a', 'old content')
  await setXattr(fs, ino, 'user.atomic', 'isolated')
  const first = await openFile(fs, ino, v.O_RDWR, OWNER)
  const second = await openFile(fs, ino, v.O_RDWR, OTHER)
  await writeText(fs, first, 'OLD')
  await ioctl(fs, first, START)
  await ioctl(fs, second, START, OTHER)
  await writeText(fs, first, 'C', 4)
  await ioctl(fs, first, START)
  await writeText(fs, first, 'rubbish and more')
  await ioctl(fs, first, ABORT)
  await fs.fsync(first)
  assert.equal(await seen(fs, first), 'OLD Content')
  assert.equal(await seen(fs, second), 'old content')
  await writeText(fs, second, 'TENT', 7)
  await ioctl(fs, second, COMMIT, OTHER)
  await ioctl(fs, first, COMMIT)
  assert.equal(await published(all, ino), 'OLD ConTENT')

  await ioctl(fs, second, START, OTHER)
  await writeText(fs, second, 'x', 7)
  await ioctl(fs, first, START)
  await writeText(fs, first, 'y', 7)
  await ioctl(fs, first, COMMIT)
  await refuses('EBUSY', () => ioctl(fs, second, COMMIT, OTHER))
  await ioctl(fs, second, ABORT, OTHER)
  assert.equal(await seen(fs, second), 'OLD ConyENT', 'an abort goes on to what is published')
  await ioctl(fs, second, REPLACE, OTHER)
  await writeText(fs, second, 'short')
  await ioctl(fs, second, COMMIT, OTHER)
  assert.equal(await published(all, ino), 'short')
  await ioctl(fs, second, START, OTHER)
  await writeText(fs, second, 'gone')
  await close(fs, second, OTHER)
  assert.equal(await published(all, ino), 'short')
})

test('a file of a group has no transactions of its own', TIMEOUT, async () => {
  const { fs, ino, does } = await opened('atomic')
  await does(START)
  await refuses('EBUSY', () => setXattr(fs, ino, 'user.atomic.group', 'g'))
  await does(ABORT)
  await setXattr(fs, ino, 'user.atomic.group', 'g')
  await refuses('EINVAL', () => does(START))
})

test('a commit of several files waits for none that is in a transaction', TIMEOUT, async () => {
  const all = await opened('atomic')
  const { fs, ino, fh, does } = all
  await does(START)
  await writeText(fs, fh, 'new')
  await refuses('EBUSY', () => setXattr(fs, v.ROOT, 'user.atomic.commit', 'a'))
  assert.equal(await published(all, ino), 'old')
})
