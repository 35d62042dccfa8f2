import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { structureFaults } from '../crash/structure.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, refuses, setXattr } from './fixture.ts'

const BLOCK = 4096

type Opened = Awaited<ReturnType<typeof v.freshFilesystem>>

interface File {
  readonly ino: number
  readonly fh: number
}

async function fileOf(fs: Opened['fs'], name: string, content: Uint8Array): Promise<File> {
  const file = await v.createFile(fs, v.ROOT, name)
  if (content.length > 0) await fs.write(file.fh, v.writeRequest(0, content))
  await fs.fsync(file.fh)
  return file
}

const copy = (
  fs: Opened['fs'],
  from: File,
  offset: number,
  to: File,
  targetOffset: number,
  n: number,
) => fs.copyRange({ fh: from.fh, offset, targetFh: to.fh, targetOffset, lengthBytes: n })

const mapped = ({ volume }: Opened): number => volume.engine.store.allocator.mappedCount

async function settled(opened: Opened): Promise<void> {
  await opened.volume.engine.checkpointer.run()
}

test('a copy takes no space, and each file goes its own way', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const content = Buffer.from(new Random(1).bytes(100 * BLOCK + 77))
  const a = await fileOf(fs, 'a', content)
  await settled(opened)
  const b = await fileOf(fs, 'b', Buffer.alloc(0))
  const before = mapped(opened)
  assert.equal(await copy(fs, a, 0, b, 0, 1e9), content.length)
  await fs.fsync(b.fh)
  assert.equal(mapped(opened), before)
  assert.deepEqual(await v.contentOf(fs, b.ino), content)
  await fs.write(a.fh, v.writeRequest(5000, Buffer.from('changed')))
  await fs.fsync(a.fh)
  assert.deepEqual(await v.contentOf(fs, b.ino), content)
  await fs.write(b.fh, v.writeRequest(9000, Buffer.from('another')))
  await fs.fsync(b.fh)
  const inA = Buffer.from(content)
  inA.write('changed', 5000)
  assert.deepEqual(await v.contentOf(fs, a.ino), inA)
  assert.equal(mapped(opened), before + 2)
})

test('the space comes back with the last of the copies', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const content = Buffer.from(new Random(2).bytes(50 * BLOCK))
  const files = [await fileOf(fs, 'a', content)]
  await settled(opened)
  for (const name of ['b', 'c']) {
    const file = await fileOf(fs, name, Buffer.alloc(0))
    await copy(fs, files[0] ?? file, 0, file, 0, content.length)
    await fs.fsync(file.fh)
    files.push(file)
  }
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    assert.equal(mapped(opened), 50)
    const file = files[i]
    assert.ok(file !== undefined)
    assert.deepEqual(await v.contentOf(fs, file.ino), content)
    await fs.unlink(v.ROOT, name)
    await fs.release(file.fh)
    fs.forget(file.ino, 1)
    while (await fs.context.reaper.step());
  }
  assert.equal(mapped(opened), 0)
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
})

test('what is borrowed stays when its owner loses it before it is published', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const content = Buffer.from(new Random(3).bytes(20 * BLOCK))
  const a = await fileOf(fs, 'a', content)
  await settled(opened)
  const b = await fileOf(fs, 'b', Buffer.alloc(0))
  await setXattr(fs, b.ino, 'user.atomic', '1')
  await copy(fs, a, 0, b, 0, content.length)
  await fs.setAttributes(a.ino, { size: 0, fh: a.fh })
  await fs.fsync(a.fh)
  await settled(opened)
  const c = await fileOf(fs, 'c', Buffer.alloc(200 * BLOCK, 7))
  await settled(opened)
  assert.deepEqual(await v.contentOf(fs, b.ino), content)
  await fs.fsync(b.fh)
  assert.deepEqual(await v.contentOf(fs, b.ino), content)
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  assert.deepEqual(await v.contentOf(again.fs, b.ino), content)
  assert.deepEqual(await v.contentOf(again.fs, c.ino), Buffer.alloc(200 * BLOCK, 7))
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
})

test('a rollback gives back what was borrowed', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const a = await fileOf(fs, 'a', Buffer.alloc(20 * BLOCK, 1))
  await settled(opened)
  const b = await fileOf(fs, 'b', Buffer.from('own'))
  await setXattr(fs, b.ino, 'user.atomic', '1')
  await copy(fs, a, 0, b, 0, 20 * BLOCK)
  await fs.setAttributes(a.ino, { size: 0, fh: a.fh })
  await fs.fsync(a.fh)
  await setXattr(fs, b.ino, 'user.atomic.rollback', '1')
  assert.deepEqual(await v.contentOf(fs, b.ino), Buffer.from('own'))
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
  assert.equal(mapped(opened), 1)
})

test('ranges that cannot be copied are refused', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const a = await fileOf(fs, 'a', Buffer.alloc(10 * BLOCK, 1))
  await refuses('EINVAL', () => copy(fs, a, 0, a, BLOCK, 2 * BLOCK))
  await refuses('EFBIG', () => copy(fs, a, 0, a, 0xffff_fffe * BLOCK, 2 * BLOCK))
  assert.equal(await copy(fs, a, 10 * BLOCK, a, 0, 100), 0)
  assert.equal(await copy(fs, a, 0, a, 20 * BLOCK, 5 * BLOCK), 5 * BLOCK)
})

test(
  'a copy too scattered for one record is published whole, and freed whole',
  TIMEOUT,
  async () => {
    const device = new MemoryDevice(emptyImage(256))
    await v.makeTestVolume(device)
    const opened = { ...(await v.openTestFilesystem(device)), device }
    const { fs } = opened
    const count = 6000
    const content = Buffer.from(new Random(4).bytes(count * BLOCK))
    const a = await fileOf(fs, 'a', content)
    await settled(opened)
    const b = await fileOf(fs, 'b', Buffer.from('old'))
    await setXattr(fs, b.ino, 'user.atomic', '1')
    const expected = Buffer.alloc(count * BLOCK)
    for (let i = 0; i < count; i++) {
      const from = count - 1 - i
      content.copy(expected, i * BLOCK, from * BLOCK, (from + 1) * BLOCK)
      await copy(fs, a, from * BLOCK, b, i * BLOCK, BLOCK)
    }
    await fs.write(b.fh, v.writeRequest(7 * BLOCK, Buffer.from('changed')))
    expected.write('changed', 7 * BLOCK)
    await fs.fsync(b.fh)
    assert.deepEqual(await v.contentOf(fs, b.ino), expected)
    await fs.write(b.fh, v.writeRequest(9 * BLOCK, Buffer.from('again')))
    expected.write('again', 9 * BLOCK)
    await fs.fsync(b.fh)
    assert.equal(mapped(opened), count + 2)
    const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
    assert.deepEqual(await v.contentOf(again.fs, b.ino), expected)
    await fs.unlink(v.ROOT, 'a')
    await fs.release(a.fh)
    fs.forget(a.ino, 1)
    await fs.finish()
    assert.equal(mapped(opened), count)
    assert.deepEqual(structureFaults(device.image()), [])
  },
)

test('copies at any offset are what a reference says, over restarts', TIMEOUT, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  let opened: Opened = await v.freshFilesystem()
  let { fs } = opened
  const expected: Buffer[] = []
  let files: File[] = []
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    expected.push(Buffer.from(random.bytes(40 * BLOCK + i * 1000)))
    files.push(await fileOf(fs, name, expected[i] ?? Buffer.alloc(0)))
  }
  await setXattr(fs, files[2]?.ino ?? 0, 'user.atomic', '1')
  const pick = () => random.int(3)
  const place = (limit: number) =>
    random.oneIn(3) ? random.int(limit) : random.int(limit / BLOCK) * BLOCK
  for (let step = 0; step < 150; step++) {
    const [s, d] = [pick(), pick()]
    const [source, target] = [files[s], files[d]]
    const [from, into] = [expected[s], expected[d]]
    assert.ok(source && target && from && into)
    const kind = random.int(10)
    if (kind < 5) {
      const [offset, at] = [place(from.length), place(into.length + 10 * BLOCK)]
      const n = Math.min(1 + place(30 * BLOCK), from.length - offset)
      if (s === d && Math.abs(offset - at) < n) continue
      assert.equal(await copy(fs, source, offset, target, at, n), n)
      expected[d] = overwrite(into, at, from.subarray(offset, offset + n))
    } else if (kind < 7) {
      const data = random.bytes(1 + random.int(5 * BLOCK))
      const at = random.int(into.length)
      await fs.write(target.fh, v.writeRequest(at, data))
      expected[d] = overwrite(into, at, data)
    } else if (kind === 7) {
      const size = Math.max(5 * BLOCK, random.int(60 * BLOCK))
      await fs.setAttributes(target.ino, { size, fh: target.fh })
      expected[d] = Buffer.concat([
        into.subarray(0, size),
        Buffer.alloc(Math.max(0, size - into.length)),
      ])
    } else if (kind === 8) {
      await fs.fsync(target.fh)
    } else {
      await settled(opened)
    }
    for (const [i, file] of files.entries()) {
      assert.deepEqual(await v.contentOf(fs, file.ino), expected[i], `step ${step}, file ${i}`)
    }
    if (step % 50 !== 49) continue
    for (const file of files) await fs.fsync(file.fh)
    await fs.finish()
    const image = opened.device.image()
    assert.deepEqual(structureFaults(image), [])
    const device = new MemoryDevice(image)
    opened = { ...(await v.openTestFilesystem(device)), device }
    fs = opened.fs
    files = await Promise.all(
      files.map(async ({ ino }) => ({ ino, fh: (await fs.open(ino, v.O_RDWR, v.CALLER)).fh })),
    )
  }
})

function overwrite(old: Buffer, at: number, data: Uint8Array): Buffer {
  const grown = Buffer.alloc(Math.max(old.length, at + data.length))
  grown.set(old)
  grown.set(data, at)
  return grown
}

test('a copy that has outlived its original is still its own after a replay', TIMEOUT, async () => {
  const opened = await v.freshFilesystem()
  const { fs, device } = opened
  const content = Buffer.from(new Random(3).bytes(100 * BLOCK))
  const a = await fileOf(fs, 'a', content)
  await settled(opened)
  const b = await fileOf(fs, 'b', Buffer.alloc(0))
  await setXattr(fs, b.ino, 'user.atomic', '1')
  await copy(fs, a, 0, b, 0, content.length)
  await fs.setAttributes(a.ino, { size: 0, fh: a.fh })
  await fs.fsync(a.fh)
  await fs.fsync(b.fh)
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  for (let i = 0; i < 5; i++) await fileOf(again.fs, `c${i}`, Buffer.alloc(100 * BLOCK, i))
  assert.deepEqual(await v.contentOf(again.fs, b.ino), content)
})
