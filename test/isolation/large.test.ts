/** Publishes that do not fit one record, and full disks, while others read older versions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { refuses } from '../fs/fixture.ts'
import * as v from '../support/volume.ts'

const RUN = { timeout: 60_000 } as const
const RING_BLOCKS = 256
/** Every other block, so that no two are one run. */
const BLOCK_COUNT = 9000

type Opened = v.TestFilesystem & { readonly device: MemoryDevice }

async function smallVolume(blockCountMax?: number): Promise<Opened> {
  const device = new MemoryDevice(
    emptyImage(RING_BLOCKS),
    blockCountMax === undefined ? {} : { blockCountMax },
  )
  await v.makeTestVolume(device)
  return { device, ...(await v.openTestFilesystem(device, { newFiles: 'isolated' })) }
}

function blockOf(value: number, at: number): Buffer {
  const block = Buffer.alloc(BLOCK_SIZE, value)
  block.writeUInt32LE(at)
  return block
}

async function writeScattered({ fs }: Opened, fh: number, value: number, start: number) {
  for (let at = start; at < BLOCK_COUNT; at += 2) {
    await fs.write(fh, v.writeRequest(at * BLOCK_SIZE, blockOf(value, at)))
  }
}

async function assertSees(
  { fs }: Opened,
  fh: number,
  value: (at: number) => number,
  blockCount = BLOCK_COUNT,
): Promise<void> {
  for (let at = 0; at < blockCount; at += 97) {
    const read = Buffer.concat(await fs.read(fh, at * BLOCK_SIZE, BLOCK_SIZE))
    const expected = value(at) === 0 ? Buffer.alloc(BLOCK_SIZE) : blockOf(value(at), at)
    assert.ok(read.equals(expected), `block ${at}`)
  }
}

function used({ volume }: Opened): number {
  const { allocator } = volume.engine.store
  return allocator.blockCount - allocator.availableCount
}

async function settled({ fs, volume }: Opened): Promise<void> {
  await fs.context.reaper.drain()
  for (let i = 0; i < 3; i++) await volume.engine.checkpointer.run()
}

/** The size is the same whatever is published, so that nothing but the content is in conflict. */
async function scatteredFile(opened: Opened): Promise<number> {
  const { fs } = opened
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await writeScattered(opened, fh, 1, 0)
  await fs.setAttributes(ino, { size: BLOCK_COUNT * BLOCK_SIZE, fh })
  await fs.fsync(fh)
  await fs.release(fh)
  return ino
}

const openAs = async ({ fs }: Opened, ino: number, flags: number) =>
  (await fs.open(ino, flags, v.CALLER)).fh

const evenOnes = (at: number): number => (at % 2 === 0 ? 1 : 0)

test('a large publish leaves older versions as they are', RUN, async () => {
  const opened = await smallVolume()
  const { fs, device } = opened
  const ino = await scatteredFile(opened)
  await settled(opened)
  const usedBefore = used(opened)
  const reader = await openAs(opened, ino, 0)
  const [large, small] = [await openAs(opened, ino, v.O_RDWR), await openAs(opened, ino, v.O_RDWR)]
  await writeScattered(opened, large, 2, 1)
  // In a block that the other one leaves alone, and in one of which it has the rest.
  await fs.write(small, v.writeRequest(97 * 2 * BLOCK_SIZE + 4, Buffer.from([3])))
  const publishing = fs.fsync(large)
  const during = await openAs(opened, ino, 0)
  await publishing
  await assertSees(opened, reader, evenOnes)
  await assertSees(opened, during, evenOnes)
  await assertSees(opened, large, (at) => (at % 2 === 0 ? 1 : 2))
  await fs.fsync(small)
  const merged = Buffer.concat(await fs.read(small, 97 * 2 * BLOCK_SIZE, 6))
  assert.deepEqual([...merged.subarray(4)], [3, 1])
  await opened.volume.engine.checkpointer.run()
  await assertSees(opened, reader, evenOnes)
  const again = await v.openTestFilesystem(new MemoryDevice(device.image()))
  const fh = await openAs({ ...again, device }, ino, 0)
  await assertSees({ ...again, device }, fh, (at) => (at % 2 === 1 ? 2 : 1), 194)
  for (const each of [reader, during, large, small]) await fs.release(each)
  await settled(opened)
  // The odd blocks are new, and with them some leaves; no version is kept any more.
  assert.equal(used(opened), usedBefore + BLOCK_COUNT / 2)
})

test('a large file that is emptied goes on for who reads it', RUN, async () => {
  const opened = await smallVolume()
  const { fs } = opened
  await settled(opened)
  const usedBefore = used(opened)
  const ino = await scatteredFile(opened)
  const reader = await openAs(opened, ino, 0)
  const writer = await openAs(opened, ino, v.O_RDWR | v.O_TRUNC)
  await fs.write(writer, v.writeRequest(0, Buffer.from('short')))
  await fs.fsync(writer)
  await settled(opened)
  await assertSees(opened, reader, (at) => (at % 2 === 0 ? 1 : 0))
  assert.equal((await fs.getAttributes(ino)).size, 5)
  await fs.release(reader)
  await fs.release(writer)
  await settled(opened)
  assert.equal(used(opened), usedBefore + 1)
})

const content = (value: number): Buffer => Buffer.alloc(40 * BLOCK_SIZE, value)

test('publishing lacks no space while older versions are read', RUN, async () => {
  const opened = await smallVolume(200)
  const { fs, volume } = opened
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'a')
  await fs.write(fh, v.writeRequest(0, content(0)))
  await fs.fsync(fh)
  const readers: number[] = []
  let value = 0
  const refused = await (async () => {
    for (;;) {
      readers.push(await openAs(opened, ino, 0))
      try {
        await fs.write(fh, v.writeRequest(0, content(value + 1)))
      } catch (error) {
        return error
      }
      value++
      await fs.fsync(fh)
    }
  })()
  assert.ok(refused instanceof FsError && refused.code === 'ENOSPC', String(refused))
  assert.ok(value > 1)
  for (const [i, reader] of readers.entries()) {
    const read = Buffer.concat(await fs.read(reader, 0, 40 * BLOCK_SIZE))
    assert.ok(read.equals(content(i)), `what reader ${i} sees`)
  }
  await refuses('ENOSPC', async () => fs.write(fh, v.writeRequest(0, content(99))))
  for (const reader of readers) await fs.release(reader)
  // A write that finds the disk full has a checkpoint free what the readers have kept.
  await fs.write(fh, v.writeRequest(0, content(99)))
  await fs.fsync(fh)
  await volume.engine.checkpointer.run()
  assert.ok((await v.contentOf(fs, ino)).equals(content(99)))
})
