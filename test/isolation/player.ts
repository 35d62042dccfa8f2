/** Plays random operations on several handles of one isolated file and on the reference. */
import assert from 'node:assert/strict'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { answerOf } from '../support/answer.ts'
import type { Random } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { ReferenceFile, ReferenceHandle } from './reference.ts'

const FILE_MAX = 640 * 1024
const HANDLES_MAX = 6
const PUNCH = 3
const ZERO_RANGE = 16
const BLOCK = 4096

interface Handle {
  readonly fh: number
  /** Its process, so that calls by name reach it. */
  readonly pid: number
  readonly isWriter: boolean
  readonly model: ReferenceHandle
}

export class Player {
  readonly played: string[] = []
  private readonly random: Random
  private readonly device: MemoryDevice
  private readonly opened: v.TestFilesystem
  private readonly handles: Handle[] = []
  private readonly usedBefore: number
  private file: ReferenceFile
  private ino = 0
  private nextPid = 100

  private constructor(random: Random, device: MemoryDevice, opened: v.TestFilesystem) {
    this.random = random
    this.device = device
    this.opened = opened
    this.usedBefore = this.usedBlocks
    this.file = new ReferenceFile(Buffer.alloc(0))
  }

  static async start(random: Random): Promise<Player> {
    const device = new MemoryDevice(emptyImage(256 + random.int(3) * 256))
    await v.makeTestVolume(device)
    const player = new Player(random, device, await v.openTestFilesystem(device))
    await player.makeFile()
    return player
  }

  private get fs() {
    return this.opened.fs
  }

  private get engine() {
    return this.opened.volume.engine
  }

  private async makeFile(): Promise<void> {
    const content = Buffer.from(this.random.bytes(this.random.int(8 * BLOCK)))
    const { ino, fh } = await v.createFile(this.fs, v.ROOT, 'file')
    if (content.length > 0) await this.fs.write(fh, v.writeRequest(0, content))
    await this.fs.flush(fh, v.CALLER)
    await this.fs.release(fh)
    await this.fs.setXattr(ino, 'user.atomic', Buffer.from('isolated'), 0)
    this.ino = ino
    this.file = new ReferenceFile(content)
  }

  async step(): Promise<void> {
    const handle = this.handles.length > 0 ? this.random.pick(this.handles) : undefined
    const choice = this.random.int(20)
    if (handle === undefined || choice === 0) await this.open()
    else if (choice === 1) await this.close(handle)
    else if (choice === 2) await this.look()
    else if (choice === 3) await this.background()
    else if (!handle.isWriter) await this.read(handle)
    else if (choice < 7) await this.publish(handle)
    else if (choice === 7) await this.rollback(handle)
    else if (choice === 8) await this.truncateByName()
    else await this.change(handle)
  }

  private async open(): Promise<void> {
    if (this.handles.length >= HANDLES_MAX) return
    const isWriter = !this.random.oneIn(4)
    const pid = this.nextPid++
    const { fh } = await this.fs.open(this.ino, isWriter ? v.O_RDWR : 0, { ...v.CALLER, pid })
    this.handles.push({ fh, pid, isWriter, model: new ReferenceHandle(this.file) })
    this.played.push(`open ${fh} ${isWriter ? 'to write' : 'to read'}`)
  }

  private async close(handle: Handle): Promise<void> {
    const isDead = this.random.oneIn(3)
    this.played.push(`${isDead ? 'death of' : 'close'} ${handle.fh}`)
    if (isDead) this.opened.processes.states.set(handle.pid, 'died')
    const caller = { ...v.CALLER, pid: handle.pid }
    const flushed = await answerOf(async () => this.fs.flush(handle.fh, caller))
    await this.fs.release(handle.fh)
    if (isDead) handle.model.discard()
    else assert.equal(flushed, handle.model.publish() ? 'ok' : 'EBUSY')
    this.handles.splice(this.handles.indexOf(handle), 1)
  }

  private async read({ fh, model }: Handle): Promise<void> {
    const { seen } = model
    const from = this.random.int(seen.length + 1)
    const pieces = await this.fs.read(fh, from, FILE_MAX)
    assert.ok(Buffer.concat(pieces).equals(seen.subarray(from)), `what ${fh} sees`)
  }

  /** All handles, and what a crash would leave. */
  private async look(): Promise<void> {
    this.played.push('look')
    for (const handle of this.handles) {
      const seen = Buffer.concat(await this.fs.read(handle.fh, 0, FILE_MAX + BLOCK))
      const expected = handle.model.seen
      assert.equal(seen.length, expected.length, `size that ${handle.fh} sees`)
      assert.ok(seen.equals(expected), `what ${handle.fh} sees, from ${differ(seen, expected)}`)
    }
    const { fs } = await v.openTestFilesystem(new MemoryDevice(this.device.image()))
    assert.ok((await v.contentOf(fs, this.ino)).equals(this.file.newest), 'after a crash')
  }

  private async background(): Promise<void> {
    this.played.push('checkpoint')
    await this.fs.writeBack()
    await this.engine.checkpointer.run()
  }

  private async publish({ fh, model }: Handle): Promise<void> {
    const expected = model.publish() ? 'ok' : 'EBUSY'
    this.played.push(`publish ${fh} -> ${expected}`)
    assert.equal(await answerOf(async () => this.fs.fsync(fh)), expected)
  }

  private async rollback({ fh, pid, model }: Handle): Promise<void> {
    this.played.push(`roll back ${fh}`)
    const caller = { ...v.CALLER, pid }
    await this.fs.setXattr(this.ino, 'user.atomic.rollback', Buffer.from('1'), 0, { caller })
    model.discard()
  }

  private async truncateByName(): Promise<void> {
    const size = this.someOffset(this.file.newest.length)
    this.played.push(`truncate to ${size}`)
    await this.fs.setAttributes(this.ino, { size })
    const model = new ReferenceHandle(this.file)
    model.truncate(size)
    model.publish()
  }

  private async change(handle: Handle): Promise<void> {
    const { fh, model } = handle
    const choice = this.random.int(10)
    const at = this.someOffset(model.seen.length)
    const length = Math.min(this.someLength(), FILE_MAX - at)
    if (length <= 0) return
    if (choice < 6) {
      const data = this.random.bytes(length)
      this.played.push(`write ${fh} ${at} ${length}`)
      await this.fs.write(fh, v.writeRequest(at, data))
      model.write(at, data)
    } else if (choice === 6) {
      this.played.push(`truncate ${fh} ${at}`)
      await this.fs.setAttributes(this.ino, { size: at, fh })
      model.truncate(at)
    } else if (choice === 7) {
      this.played.push(`punch ${fh} ${at} ${length}`)
      await this.fs.allocate(fh, PUNCH, at, length)
      model.zero(at, at + length)
    } else if (choice === 8) {
      const isFill = this.random.oneIn(2)
      this.played.push(`${isFill ? 'fill' : 'zero'} ${fh} ${at} ${length}`)
      await this.fs.allocate(fh, isFill ? 0 : ZERO_RANGE, at, length)
      model.grow(at + length)
      if (!isFill) model.zero(at, at + length)
    } else {
      await this.copy(handle, at, length)
    }
  }

  private async copy(to: Handle, at: number, length: number): Promise<void> {
    const from = this.random.pick(this.handles)
    const isAligned = this.random.oneIn(2)
    const offset = isAligned ? at % BLOCK : this.random.int(from.model.seen.length + 1)
    const count = Math.min(length, from.model.seen.length - offset)
    if (count <= 0 || Math.abs(at - offset) < count) return
    this.played.push(`copy ${from.fh} ${offset} -> ${to.fh} ${at} ${count}`)
    const range = { fh: from.fh, offset, targetFh: to.fh, targetOffset: at, lengthBytes: count }
    const data = Buffer.from(from.model.seen.subarray(offset, offset + count))
    assert.equal(await this.fs.copyRange(range), count)
    to.model.write(at, data)
  }

  private someOffset(size: number): number {
    const any = this.random.int(Math.min(size + 2 * BLOCK, FILE_MAX))
    return this.random.oneIn(2) ? any - (any % BLOCK) : any
  }

  private someLength(): number {
    if (this.random.oneIn(12)) return (16 + this.random.int(64)) * BLOCK
    return this.random.oneIn(3) ? 1 + this.random.int(5 * BLOCK) : 1 + this.random.int(64)
  }

  /** Everything that was taken for the file comes back when it is gone. */
  async end(): Promise<void> {
    await this.look()
    for (const handle of this.handles.slice()) await this.close(handle)
    await this.look()
    assert.equal(this.engine.versions.has(this.ino), false)
    await this.fs.unlink(v.ROOT, 'file')
    this.fs.forget(this.ino, 1)
    await this.fs.context.reaper.drain()
    for (let i = 0; i < 3; i++) await this.engine.checkpointer.run()
    assert.equal(this.usedBlocks, this.usedBefore, 'blocks in use')
  }

  private get usedBlocks(): number {
    const { allocator } = this.opened.volume.engine.store
    return allocator.blockCount - allocator.availableCount
  }
}

function differ(a: Buffer, b: Buffer): number {
  return a.findIndex((byte, i) => byte !== b[i])
}
