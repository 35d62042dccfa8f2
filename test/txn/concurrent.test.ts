/**
 * Goal: what happens to one file does not depend on what happens to others at the same time, even if
 * the ring is always nearly full. Method: many writers, each with a file and a reference of its own,
 * on a device whose calls take several turns of the event loop.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'

const WRITER_COUNT = 12
const STEP_COUNT = 60

class Writer {
  private readonly random: Random
  private readonly opened: v.TestFilesystem
  private readonly name: string
  private content = Buffer.alloc(0)
  private ino = 0
  private fh = 0

  constructor(random: Random, opened: v.TestFilesystem, name: string) {
    this.random = random
    this.opened = opened
    this.name = name
  }

  async run(): Promise<void> {
    const { fs } = this.opened
    const { ino, fh } = await v.createFile(fs, v.ROOT, this.name)
    this.ino = ino
    this.fh = fh
    if (this.random.oneIn(2)) await fs.setXattr(ino, 'user.atomic', Buffer.from('1'), 0)
    for (let i = 0; i < STEP_COUNT; i++) await this.step()
    await fs.fsync(fh)
    await this.compare()
    await fs.flush(fh, v.CALLER)
    await fs.release(fh)
  }

  private async step(): Promise<void> {
    const { fs } = this.opened
    const choice = this.random.int(10)
    if (choice < 5) await this.write()
    else if (choice < 7) await fs.fsync(this.fh)
    else if (choice === 7) await this.truncate()
    else if (choice === 8) await this.compare()
    else await this.renameAround()
  }

  private async write(): Promise<void> {
    const isLarge = this.random.oneIn(3)
    const data = isLarge
      ? this.random.bytes(16 * 4096 * (1 + this.random.int(6)))
      : this.random.bytes(1 + this.random.int(9000))
    const offset = isLarge ? 4096 * this.random.int(40) : this.random.int(200_000)
    const content = Buffer.alloc(Math.max(this.content.length, offset + data.length))
    content.set(this.content)
    content.set(data, offset)
    await this.opened.fs.write(this.fh, v.writeRequest(offset, data))
    this.content = content
  }

  private async truncate(): Promise<void> {
    const size = this.random.int(200_000)
    const content = Buffer.alloc(size)
    content.set(this.content.subarray(0, size))
    await this.opened.fs.setAttributes(this.ino, { size, fh: this.fh })
    this.content = content
  }

  private async renameAround(): Promise<void> {
    const { fs } = this.opened
    const places = { parent: v.ROOT, newParent: v.ROOT, noReplace: false, exchange: false }
    const other = `${this.name}-moved`
    await fs.setXattr(this.ino, 'user.big', this.random.bytes(30_000), 0)
    await fs.rename({ ...places, name: this.name, newName: other })
    const { ino } = await fs.makeNode(v.ROOT, this.name, 0o100644, 0, v.CALLER)
    fs.forget(ino, 1)
    await fs.rename({ ...places, name: other, newName: this.name })
  }

  private async compare(): Promise<void> {
    const actual = await v.contentOf(this.opened.fs, this.ino)
    const at = actual.equals(this.content) ? -1 : actual.findIndex((b, i) => b !== this.content[i])
    assert.equal(at, -1, `${this.name} is what it wrote`)
  }
}

for (const ringBlocks of [256, 1024]) {
  test(
    `writers do not disturb each other, ring of ${ringBlocks}`,
    { timeout: 40_000 },
    async (t) => {
      const random = new Random(testSeed())
      t.diagnostic(`seed ${random.seed}`)
      const plain = new MemoryDevice(emptyImage(ringBlocks))
      await v.makeTestVolume(plain)
      const device = new RecordingDevice(DiskState.of(plain.image()), { random: random.fork() })
      const opened = await v.openTestFilesystem(device)
      const writers = Array.from({ length: WRITER_COUNT }, (_, i) => {
        return new Writer(random.fork(), opened, `writer${i}`)
      })
      const background = setInterval(() => {
        void opened.fs.writeBack()
        void opened.fs.context.reaper.drain()
      }, 5)
      try {
        await Promise.all(writers.map((writer) => writer.run()))
      } finally {
        clearInterval(background)
      }
      const { fs, volume } = opened
      for (const [path, { ino }] of await v.listTree(fs)) {
        await fs.unlink(v.ROOT, path.slice(1))
        fs.context.references.drop(ino, 1)
        fs.context.reaper.addOrphan(ino)
      }
      await fs.context.reaper.drain()
      await volume.engine.checkpointer.run()
      const { allocator } = volume.engine.store
      assert.equal(allocator.mappedCount, 0)
      assert.equal(allocator.availableCount, allocator.blockCount - 1)
    },
  )
}

test(
  'a read of blocks that are being written keeps what it has read',
  { timeout: 20_000 },
  async () => {
    const plain = new MemoryDevice(emptyImage(1024))
    await v.makeTestVolume(plain)
    const device = new RecordingDevice(DiskState.of(plain.image()))
    const { fs, volume } = await v.openTestFilesystem(device)
    const { fh } = await v.createFile(fs, v.ROOT, 'a')
    const first = Buffer.alloc(1 << 20, 1)
    await fs.write(fh, v.writeRequest(0, first))
    await fs.fsync(fh)
    const second = Buffer.alloc(1 << 19, 2)
    const memory = Buffer.from(second)
    await fs.write(fh, {
      ...v.writeRequest(1 << 19, memory),
      takeMemory: () => () => memory.fill(0xee),
    })
    const read = fs.read(fh, 0, 1 << 20)
    for (let i = 0; i < 10; i++) await new Promise(setImmediate)
    assert.equal(volume.engine.store.writesUnderWay.size, 0)
    const expected = Buffer.concat([first.subarray(0, 1 << 19), second])
    assert.ok(Buffer.concat(await read).equals(expected))
  },
)
