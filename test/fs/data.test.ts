import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import type { KernelCache, WriteRequest } from '../../src/fs/operations.ts'
import { FILE_SIZE_MAX } from '../../src/store/inode.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, fileWith, openFile, refuses, stat, text, writeText } from './fixture.ts'

const EDGES = [-2, -1, 0, 1, 2]

async function readText(fs: v.TestFilesystem['fs'], fh: number, at: number, length: number) {
  return Buffer.concat(await fs.read(fh, at, length)).toString('latin1')
}

test('writes around block edges leave what they do not touch', TIMEOUT, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const { fs } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  let expected = Buffer.alloc(0)
  for (const start of EDGES) {
    for (const end of EDGES) {
      const offset = BLOCK_SIZE + start
      const data = random.bytes(random.pick([1, 2, 16]) * BLOCK_SIZE + end - start)
      await fs.write(fh, v.writeRequest(offset, data))
      const grown = Buffer.alloc(Math.max(expected.length, offset + data.length))
      grown.set(expected)
      grown.set(data, offset)
      expected = grown
      if (random.oneIn(3)) await fs.fsync(fh)
      assert.deepEqual(await v.contentOf(fs, ino), expected)
    }
  }
})

test('a write past the cache drops what was read for it before, and once', TIMEOUT, async () => {
  const dropped: string[] = []
  const kernel: KernelCache = {
    ...v.NO_KERNEL,
    dropRange: (_ino, offset, length) => {
      dropped.push(`${offset}+${length}`)
      return Promise.resolve()
    },
  }
  const device = new MemoryDevice(emptyImage(1024))
  await v.makeTestVolume(device)
  const { fs } = await v.openTestFilesystem(device, { kernel })
  const ino = await fileWith(fs, 'a', 'x'.repeat(40_000))
  const reader = await openFile(fs, ino, 0)
  const directly = v.O_RDWR | constants.O_DIRECT
  const writer = await openFile(fs, ino, directly)
  const drops = async (at: number, request: Partial<WriteRequest> = {}): Promise<string> => {
    const data = Buffer.alloc(BLOCK_SIZE, 'y')
    await fs.write(writer, { ...v.writeRequest(at, data), openFlags: directly, ...request })
    return dropped.splice(0).join()
  }
  assert.equal(await drops(0), '')
  await fs.read(reader, 0, 3 * BLOCK_SIZE, { forCache: true })
  await fs.read(reader, 5 * BLOCK_SIZE, BLOCK_SIZE, { forCache: false })
  assert.equal(await drops(0, { openFlags: v.O_RDWR }), '')
  assert.equal(await drops(0, { fromCache: true }), '')
  assert.equal(await drops(BLOCK_SIZE), '4096+4096')
  assert.equal(await drops(BLOCK_SIZE), '')
  assert.equal(await drops(5 * BLOCK_SIZE), '')
  assert.equal(await drops(2 * BLOCK_SIZE), '8192+4096')
  await close(fs, writer)
  await close(fs, reader)
  const late = await openFile(fs, ino)
  await fs.write(late, { ...v.writeRequest(0, Buffer.alloc(10)), openFlags: directly })
  assert.deepEqual(dropped, ['0+10'], 'what was read before O_DIRECT was set is not known')
})

test('read() is short only at the end of the file', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const fh = await openFile(fs, await fileWith(fs, 'a', 'x'.repeat(5000)))
  assert.equal(await readText(fs, fh, 4990, 100), 'x'.repeat(10))
  assert.equal(await readText(fs, fh, 4095, 2), 'xx')
  assert.equal(await readText(fs, fh, 5000, 100), '')
  assert.equal(await readText(fs, fh, 9000, 100), '')
})

test('a hole reads as zeros and takes no space', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeText(fs, fh, 'end', 10 * BLOCK_SIZE)
  await fs.fsync(fh)
  assert.deepEqual((await v.contentOf(fs, ino)).subarray(0, -3), Buffer.alloc(10 * BLOCK_SIZE))
  assert.equal((await stat(fs, ino)).sectors, 8)
  await fs.setAttributes(ino, { size: 20 * BLOCK_SIZE + 5, fh })
  await fs.fsync(fh)
  assert.equal((await stat(fs, ino)).sectors, 8)
})

test('files beyond 4 GiB and up to their largest size keep their places', TIMEOUT, async () => {
  const { fs, device } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  const places = [2 ** 32 - 2, 2 ** 40 + 1, FILE_SIZE_MAX - 4]
  for (const at of places) await writeText(fs, fh, 'here', at)
  await fs.fsync(fh)
  await refuses('EFBIG', () => writeText(fs, fh, 'there', FILE_SIZE_MAX - 4))
  await refuses('EFBIG', () => fs.setAttributes(ino, { size: FILE_SIZE_MAX + 1, fh }))
  assert.equal((await stat(fs, ino)).size, FILE_SIZE_MAX)
  await fs.finish()
  const { fs: again } = await v.openTestFilesystem(device)
  const reader = await openFile(again, ino)
  for (const at of places)
    assert.equal(await readText(again, reader, at - 1, 6).then(strip), 'here')
  assert.equal((await stat(again, ino)).sectors, 4 * 8)
  await again.setAttributes(ino, { size: 2 ** 40, fh: reader })
  await again.fsync(reader)
  await again.setAttributes(ino, { size: FILE_SIZE_MAX, fh: reader })
  assert.equal(await readText(again, reader, FILE_SIZE_MAX - 4, 4), '\0\0\0\0')
  assert.equal(await readText(again, reader, 2 ** 32 - 2, 4), 'here')
})

const strip = (read: string): string => read.replaceAll('\0', '')

test('truncation cuts, and growing again shows zeros', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (const isPublishedBetween of [false, true]) {
    for (const cut of [0, 1, 4095, 4096, 4097, 8191, 8192, 12_287]) {
      const { ino, fh } = await v.createFile(fs, v.ROOT, `${cut} ${isPublishedBetween}`)
      await writeText(fs, fh, 'x'.repeat(3 * BLOCK_SIZE))
      if (isPublishedBetween) await fs.fsync(fh)
      await fs.setAttributes(ino, { size: cut, fh })
      assert.equal(await text(fs, ino), 'x'.repeat(cut))
      if (isPublishedBetween) await fs.fsync(fh)
      await fs.setAttributes(ino, { size: 4 * BLOCK_SIZE, fh })
      const grown = 'x'.repeat(cut) + '\0'.repeat(4 * BLOCK_SIZE - cut)
      assert.equal(await text(fs, ino), grown)
      await fs.fsync(fh)
      assert.equal(await text(fs, ino), grown)
      assert.equal((await stat(fs, ino)).sectors, Math.ceil(cut / BLOCK_SIZE) * 8)
      await close(fs, fh)
    }
  }
})

test('truncating in the middle of a hole makes no block', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setAttributes(ino, { size: 2 ** 41, fh })
  await fs.setAttributes(ino, { size: 2 ** 40 + 5, fh })
  await fs.fsync(fh)
  assert.equal((await stat(fs, ino)).sectors, 0)
})

test('open() with O_TRUNC empties the file, whatever else it asks for', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  for (const access of [0, 1, 2]) {
    const ino = await fileWith(fs, `a${access}`, 'content')
    const fh = await openFile(fs, ino, access | v.O_TRUNC)
    assert.equal((await stat(fs, ino)).size, 0)
    await close(fs, fh)
    assert.equal(fs.context.files.find(ino), undefined, 'nothing stays staged')
  }
})

test('a large truncated file gives its blocks back in the background', TIMEOUT, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  const piece = Buffer.alloc(1 << 20, 7)
  for (let at = 0; at < 20 << 20; at += piece.length) {
    await fs.write(fh, v.writeRequest(at, piece))
  }
  await fs.fsync(fh)
  await fs.setAttributes(ino, { size: 0, fh })
  await writeText(fs, fh, 'short')
  await fs.fsync(fh)
  assert.equal(await text(fs, ino), 'short')
  await fs.context.reaper.drain()
  await volume.engine.checkpointer.run()
  const { allocator } = volume.engine.store
  assert.equal(allocator.mappedCount, 1)
  assert.equal(allocator.availableCount, allocator.blockCount - 2)
})

test('create() opens what it made', TIMEOUT, async () => {
  const { fs } = await v.freshFilesystem()
  const { attributes, opened } = await fs.create(v.ROOT, 'a', 0o640, v.O_RDWR, v.CALLER)
  assert.equal(attributes.mode, 0o100640)
  await writeText(fs, opened.fh, 'new')
  assert.equal(await text(fs, attributes.ino), 'new')
})

test('the time of a write is that of the kernel, if it keeps times', TIMEOUT, async () => {
  for (const ownsAttributes of [true, false]) {
    const { device } = await v.freshFilesystem()
    const kernel = { ...v.NO_KERNEL, ownsAttributes }
    const { fs } = await v.openTestFilesystem(device, { kernel })
    const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
    const changes = [
      () => writeText(fs, fh, 'a'),
      () => fs.allocate(fh, 0, 0, 10_000),
      () => fs.allocate(fh, 3, 0, 5000),
      () => fs.copyRange({ fh, offset: 0, targetFh: fh, targetOffset: 16_384, lengthBytes: 100 }),
    ]
    for (const change of changes) {
      await fs.setAttributes(ino, { mtime: 1n, ctime: 1n })
      await change()
      await fs.fsync(fh)
      assert.equal((await stat(fs, ino)).mtimeNs === 1n, ownsAttributes, String(change))
    }
  }
})

test(
  'no change is earlier than a time that the kernel has told, within a step',
  TIMEOUT,
  async () => {
    const { fs } = await v.freshFilesystem()
    const ino = await fileWith(fs, 'a', '')
    const { ctimeNs } = await stat(fs, ino)
    const finer = ctimeNs + 3_000_000n
    await fs.setAttributes(ino, { mtime: finer, ctime: finer })
    const fh = await openFile(fs, ino)
    await writeText(fs, fh, 'a')
    assert.equal((await stat(fs, ino)).mtimeNs, finer)
    const later = ctimeNs + 60_000_000_000n
    await fs.setAttributes(ino, { mtime: later, ctime: later })
    await writeText(fs, fh, 'a')
    assert.ok((await stat(fs, ino)).mtimeNs < finer, 'the clock was set back')
  },
)

test('a file that is replaced again and again takes the space of a few', TIMEOUT, async () => {
  const { fs, volume } = await v.freshFilesystem()
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  const mebibyte = Buffer.alloc(2 ** 20, 'x')
  for (let i = 0; i < 300; i++) {
    await fs.setAttributes(ino, { size: 0 })
    await fs.write(fh, v.writeRequest(0, mebibyte))
    await fs.fsync(fh)
    await new Promise(setImmediate)
  }
  const { blockCount } = volume.engine.store.allocator
  assert.ok(blockCount * BLOCK_SIZE < 200 * 2 ** 20, `${blockCount} blocks for one mebibyte`)
})
