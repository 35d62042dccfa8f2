/** Publishing what does not fit one record, on a small ring, where little is already too much. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { FsError } from '../../src/errors.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'

const RUN = { timeout: 30_000 } as const
const RING_BLOCKS = 256
/** Every other block, so that no two are one run. */
const BLOCK_COUNT = 9000

async function smallRing() {
  const device = new MemoryDevice(emptyImage(RING_BLOCKS))
  await v.makeTestVolume(device)
  return { device, ...(await v.openTestFilesystem(device)) }
}

function blockOf(value: number, at: number): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE, value)
  block.writeUInt32LE(at)
  return block
}

/** Something under way, and whether it is over. */
function endOf(work: Promise<void>): { isOver: boolean; readonly end: Promise<void> } {
  const state = { isOver: false, end: work }
  state.end = work.then(() => {
    state.isOver = true
  })
  return state
}

type Opened = Awaited<ReturnType<typeof smallRing>>

/** A volume with an atomic file that has every other block published. */
async function withPublished() {
  const opened = await smallRing()
  const { ino, fh } = await v.createFile(opened.fs, v.ROOT, 'a')
  await opened.fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0)
  await writeScattered(opened, fh, 1, 0)
  await opened.fs.fsync(fh)
  return { ...opened, opened, ino, fh }
}

async function writeScattered({ fs }: Opened, fh: number, value: number, start: number) {
  for (let at = start; at < BLOCK_COUNT; at += 2) {
    await fs.write(fh, v.writeRequest(at * BLOCK_SIZE, blockOf(value, at)))
  }
}

async function assertContent(
  fs: v.TestFilesystem['fs'],
  ino: number,
  value: (at: number) => number,
): Promise<void> {
  const { fh } = await fs.open(ino, 0, v.CALLER)
  for (let at = 0; at < BLOCK_COUNT; at += 97) {
    const read = Buffer.concat(await fs.read(fh, at * BLOCK_SIZE, BLOCK_SIZE))
    const expected = value(at) === 0 ? Buffer.alloc(read.length) : blockOf(value(at), at)
    assert.ok(read.equals(expected), `block ${at}`)
  }
  await fs.release(fh)
}

/** What the second publish leaves: odd blocks are new, and some even ones. */
const mergedValue = (at: number): number => (at % 2 === 1 ? 2 : at < 600 ? 3 : 1)

test('a fork larger than a record is published whole, and its space comes back', RUN, async () => {
  const { opened, fs, device, volume, ino, fh } = await withPublished()
  await assertContent(fs, ino, (at) => (at % 2 === 0 ? 1 : 0))
  const generation = volume.engine.inodes.get(ino).mapGeneration
  await writeScattered(opened, fh, 2, 1)
  for (let at = 0; at < 600; at += 2) {
    await fs.write(fh, v.writeRequest(at * BLOCK_SIZE, blockOf(3, at)))
  }
  await fs.fsync(fh)
  assert.ok(volume.engine.inodes.get(ino).mapGeneration > generation, 'it took a new map')
  await assertContent(fs, ino, mergedValue)
  assert.equal(volume.engine.inodes.get(ino).blockCount, BLOCK_COUNT)
  const crashed = await v.openTestFilesystem(new MemoryDevice(device.image()))
  await assertContent(crashed.fs, ino, mergedValue)
  assert.equal(crashed.volume.engine.store.allocator.mappedCount, BLOCK_COUNT)
  await volume.engine.checkpointer.run()
  const { allocator } = volume.engine.store
  assert.equal(allocator.mappedCount, BLOCK_COUNT)
  assert.equal(allocator.availableCount, allocator.blockCount - 1 - BLOCK_COUNT)
})

test('a daemon that dies in the middle leaves the old file and no lost space', RUN, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const { opened, fs, device, volume, ino, fh } = await withPublished()
  await writeScattered(opened, fh, 2, 0)
  await fs.setAttributes(ino, { size: (BLOCK_COUNT - 1000) * BLOCK_SIZE, fh })
  const images = [device.image()]
  const { journal } = volume.engine
  const published = endOf(fs.fsync(fh))
  for (let seen = journal.commitSeq; !published.isOver;) {
    await new Promise(setImmediate)
    if (journal.commitSeq > seen && random.oneIn(3)) images.push(device.image())
    seen = journal.commitSeq
  }
  await published.end
  images.push(device.image())
  let newCount = 0
  for (const image of images) {
    const crashed = await v.openTestFilesystem(new MemoryDevice(image))
    const { size } = await crashed.fs.getAttributes(ino)
    const isNew = size < (BLOCK_COUNT - 1) * BLOCK_SIZE
    newCount += Number(isNew)
    const end = isNew ? BLOCK_COUNT - 1000 : BLOCK_COUNT
    const value = isNew ? 2 : 1
    await assertContent(crashed.fs, ino, (at) => (at % 2 === 0 && at < end ? value : 0))
    const { allocator } = crashed.volume.engine.store
    assert.equal(allocator.mappedCount, end / 2)
  }
  assert.ok(newCount >= 1 && newCount < images.length)
})

test('other files go on while a large fork is being published', RUN, async () => {
  const opened = await smallRing()
  const { fs } = opened
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'large')
  await writeScattered(opened, fh, 1, 0)
  const published = endOf(fs.fsync(fh))
  let count = 0
  while (!published.isOver) {
    const { fh: other } = await v.createFile(fs, v.ROOT, `other${count++}`)
    await fs.write(other, v.writeRequest(0, Buffer.alloc(9000, count)))
    await fs.fsync(other)
    await fs.release(other)
  }
  await published.end
  assert.ok(count > 0)
  await assertContent(fs, ino, (at) => (at % 2 === 0 ? 1 : 0))
})

test('a write during a large publish waits, and is the next stage', RUN, async () => {
  const opened = await smallRing()
  const { fs } = opened
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0)
  await writeScattered(opened, fh, 1, 0)
  const published = fs.fsync(fh)
  await new Promise(setImmediate)
  const written = fs.write(fh, v.writeRequest(0, blockOf(2, 0)))
  await published
  assert.equal(await written, BLOCK_SIZE)
  const state = Buffer.from(await fs.getXattr(ino, 'user.atomic.state')).toString()
  assert.match(state, /^state=staged\nstaged_bytes=4096\n/)
  await fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0)
  await assertContent(fs, ino, (at) => (at % 2 === 0 ? 1 : 0))
})

async function rollBack(fs: v.TestFilesystem['fs'], ino: number): Promise<void> {
  try {
    await fs.setXattr(ino, 'user.atomic.rollback', Buffer.from('1'), 0)
  } catch {
    // A volume that is read-only by then may refuse it.
  }
}

test('an error in the middle makes the volume read-only, and loses no space', RUN, async (t) => {
  let failedCount = 0
  for (let failAt = 1; failAt <= 16; failAt += 2) {
    const { opened, fs, device, volume, ino, fh } = await withPublished()
    await writeScattered(opened, fh, 2, 0)
    const { engine } = volume
    const begin = engine.begin.bind(engine)
    let begunCount = 0
    engine.begin = () => {
      begunCount++
      if (begunCount === failAt) throw new FsError('EIO', 'a part of the index is damaged')
      return begin()
    }
    const error = await fs.fsync(fh).catch((thrown: unknown) => thrown)
    engine.begin = begin
    if (error !== undefined) await rollBack(fs, ino)
    // Before the new map is begun, nothing is lost yet.
    assert.equal(engine.health.failed, error !== undefined && failAt > 1, `failed at ${failAt}`)
    if (engine.health.failed) {
      failedCount++
      await assert.rejects(v.createFile(fs, v.ROOT, 'b'), { code: 'EROFS' })
    }
    const reopened = await v.openTestFilesystem(new MemoryDevice(device.image()))
    await reopened.volume.engine.checkpointer.run()
    assert.equal(reopened.volume.engine.store.allocator.mappedCount, BLOCK_COUNT / 2)
  }
  t.diagnostic(`${failedCount} publishes failed`)
  assert.ok(failedCount >= 5)
})
