/**
 * Goal: want of space is found by write(2) and changes nothing; publishing never lacks it; all of it
 * comes back. Method: random writes on a volume that is always nearly full.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { close, refuses, setXattr } from './fixture.ts'

const BLOCKS_MAX = 300
const FILE_COUNT = 4

interface SmallFile {
  readonly ino: number
  readonly fh: number
  content: Buffer
}

class SmallVolume {
  readonly random: Random
  readonly opened: v.TestFilesystem
  readonly files: SmallFile[] = []
  refusedCount = 0

  private constructor(random: Random, opened: v.TestFilesystem) {
    this.random = random
    this.opened = opened
  }

  static async make(random: Random, ringBlocks: number): Promise<SmallVolume> {
    const device = new MemoryDevice(emptyImage(ringBlocks), { blockCountMax: BLOCKS_MAX })
    await v.makeTestVolume(device)
    const volume = new SmallVolume(random, await v.openTestFilesystem(device))
    const { fs } = volume.opened
    for (let i = 0; i < FILE_COUNT; i++) {
      const { ino, fh } = await v.createFile(fs, v.ROOT, `f${i}`)
      if (i % 2 === 0) await setXattr(fs, ino, 'user.atomic', '1')
      volume.files.push({ ino, fh, content: Buffer.alloc(0) })
    }
    return volume
  }

  get freeCount(): number {
    return this.opened.fs.statistics().freeCount
  }

  /** Does a change, or finds that it is refused for want of space and has changed nothing. */
  async change(file: SmallFile, content: Buffer, work: () => unknown): Promise<void> {
    try {
      await work()
      file.content = content
    } catch (error) {
      assert.ok(error instanceof FsError && error.code === 'ENOSPC', String(error))
      this.refusedCount++
    }
    const actual = await v.contentOf(this.opened.fs, file.ino)
    assert.ok(actual.equals(file.content), `inode ${file.ino} is what was answered`)
  }

  async step(): Promise<void> {
    const { random, opened } = this
    const { fs, volume } = opened
    const file = random.pick(this.files)
    const choice = random.int(10)
    if (choice < 6) await this.write(file)
    else if (choice < 8) await fs.fsync(file.fh)
    else if (choice === 8) await this.truncate(file)
    else await volume.engine.checkpointer.run()
  }

  private async write(file: SmallFile): Promise<void> {
    const { random } = this
    const data = random.bytes(1 + random.int(random.oneIn(2) ? 150 * BLOCK_SIZE : BLOCK_SIZE))
    const offset = random.int(40 * BLOCK_SIZE)
    const content = Buffer.alloc(Math.max(file.content.length, offset + data.length))
    content.set(file.content)
    content.set(data, offset)
    const request = v.writeRequest(offset, data)
    await this.change(file, content, () => this.opened.fs.write(file.fh, request))
  }

  private async truncate(file: SmallFile): Promise<void> {
    const size = this.random.int(Math.max(1, file.content.length))
    const content = Buffer.from(file.content.subarray(0, size))
    const { fs } = this.opened
    await this.change(file, content, () => fs.setAttributes(file.ino, { size, fh: file.fh }))
  }
}

for (const ringBlocks of [256, 2048]) {
  test(`a nearly full volume with a ring of ${ringBlocks}`, { timeout: 30_000 }, async (t) => {
    const random = new Random(testSeed())
    t.diagnostic(`seed ${random.seed}`)
    const small = await SmallVolume.make(random, ringBlocks)
    const { fs, volume } = small.opened
    const before = small.freeCount
    for (let i = 0; i < 300; i++) await small.step()
    assert.ok(small.refusedCount > 0, 'the volume was full at times')
    for (const { ino, fh } of small.files) {
      await close(fs, fh)
      fs.forget(ino, 1)
    }
    for (let i = 0; i < FILE_COUNT; i++) await fs.unlink(v.ROOT, `f${i}`)
    await fs.context.reaper.drain()
    await volume.engine.checkpointer.run()
    assert.equal(small.freeCount, before)
    assert.equal(volume.engine.store.allocator.mappedCount, 0)
  })
}

test('what write() has accepted is published on a full volume', { timeout: 20_000 }, async () => {
  const device = new MemoryDevice(emptyImage(256), { blockCountMax: BLOCKS_MAX })
  await v.makeTestVolume(device)
  const { fs } = await v.openTestFilesystem(device)
  const { fh } = await v.createFile(fs, v.ROOT, 'a')
  const block = Buffer.alloc(BLOCK_SIZE, 1)
  await refuses('ENOSPC', async () => {
    for (let i = 0; ; i++) await fs.write(fh, v.writeRequest(2 * i * BLOCK_SIZE, block))
  })
  assert.equal(fs.statistics().freeCount, 0)
  await fs.fsync(fh)
  await fs.write(fh, v.writeRequest(0, Buffer.from('in place')))
  await fs.fsync(fh)
})
