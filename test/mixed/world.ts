/** A filesystem and the model of it, what was made of both so far, and comparing them. */
import assert from 'node:assert/strict'
import { checkVolume } from '../../src/check/check-volume.ts'
import { type DeviceImage, MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { type CrashImage, cachedImage, crashImages } from '../support/devices/crash-images.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { Random } from '../support/random.ts'
import { answerOf } from '../support/answer.ts'
import * as v from '../support/volume.ts'
import type { ModelSample } from './exchange.ts'
import { type FoundFile, difference, judgeCrash } from './judge.ts'
import { type Answers, Model, type ModelHandle } from './model.ts'
import { FILE_NAMES, type Mode, ON_CLOSE, PROCESS_COUNT, type Step } from './steps.ts'
import { ModelFile } from './view.ts'

export const FILE_MAX = 480 * 1024
const BEFORE_BYTES = 20_000

export interface Handle {
  readonly fh: number
  readonly ino: number
  readonly flags: number
  readonly model: ModelHandle
}

export type Doing<Type extends Step['type']> = Extract<Step, { readonly type: Type }>

export class World {
  /** What was done, and what it was answered. */
  readonly played: string[] = []
  private device: RecordingDevice
  opened: v.TestFilesystem
  readonly model: Model
  readonly inos: number[] = []
  readonly slots = new Map<number, Handle>()
  readonly pids = Array.from({ length: PROCESS_COUNT }, (_, i) => 100 + i)
  nextPid = 200
  /** What /proc does not show any more: descriptors of who is closing them. */
  readonly closing = new Set<number>()
  sample: { readonly bytes: Buffer; readonly model: ModelSample } | undefined
  private usedBefore = 0
  /** Where the last step has begun. */
  private before = { eventCount: 0, durable: 0, latest: 0 }

  private constructor(device: RecordingDevice, opened: v.TestFilesystem, model: Model) {
    this.device = device
    this.opened = opened
    this.model = model
    this.showWriters()
  }

  static async start(): Promise<World> {
    const empty = new MemoryDevice(emptyImage(512))
    await v.makeTestVolume(empty)
    const device = new RecordingDevice(DiskState.of(empty.image()))
    const opened = await v.openTestFilesystem(device)
    const contents = FILE_NAMES.map((_, i) => Buffer.from(new Random(i + 1).bytes(BEFORE_BYTES)))
    const world = new World(device, opened, new Model(contents.map((each) => new ModelFile(each))))
    world.usedBefore = world.usedBlocks
    for (const [i, name] of FILE_NAMES.entries()) {
      const { ino, fh } = await v.createFile(world.fs, v.ROOT, name)
      await world.fs.write(fh, v.writeRequest(0, contents[i] ?? Buffer.alloc(0)))
      await world.fs.fsync(fh)
      await world.fs.flush(fh, v.CALLER)
      await world.fs.release(fh)
      world.inos.push(ino)
    }
    world.begin()
    return world
  }

  get fs() {
    return this.opened.fs
  }

  /** What the daemon would find if it was started again. */
  private get image(): DeviceImage {
    const { start, events } = this.device.log
    const state = start.clone()
    for (const [seq, event] of events.entries()) state.apply(seq, event)
    return cachedImage(state)
  }

  private get usedBlocks(): number {
    const { allocator } = this.opened.volume.engine.store
    return allocator.blockCount - allocator.availableCount
  }

  async unmount(): Promise<boolean> {
    await this.fs.finish()
    this.model.unmount()
    const { image } = this
    await this.assertSound(image)
    await this.reopen(DiskState.of(image))
    return true
  }

  async crash({ seed, isInside }: Doing<'crash'>): Promise<boolean> {
    const random = new Random(seed)
    const { log } = this.device
    const now = log.events.length
    const { before } = this
    const at = isInside ? before.eventCount + random.int(now - before.eventCount + 1) : now
    const { durable, latest } = at === now ? this.model : before
    const images = [...crashImages(log, at, random, { randomCount: 1 })]
    const image: CrashImage = random.pick(images)
    this.played.push(`  ${image.name}`)
    await this.reopen(image.state)
    const found = await Promise.all(this.inos.map(async (ino) => this.found(ino)))
    const verdict = judgeCrash(this.model, found, image.isKill ? latest : durable)
    if ('wrong' in verdict) assert.fail(`after a crash\n${verdict.wrong}`)
    const contents = found.map(({ content }) => content)
    this.model.restart(verdict.moment, contents, !image.isKill)
    this.begin()
    await this.assertSound(this.image)
    return true
  }

  private async reopen(state: DiskState): Promise<void> {
    this.device = new RecordingDevice(state)
    this.opened = await v.openTestFilesystem(this.device)
    this.showWriters()
    this.slots.clear()
    this.sample = undefined
    for (const name of FILE_NAMES) this.fs.lookup(v.ROOT, name)
    this.begin()
  }

  private showWriters(): void {
    this.opened.processes.isWritten = (of) =>
      [...this.slots.values()].some(
        ({ fh, ino, model }) => ino === of && model.access.writes && !this.closing.has(fh),
      )
  }

  /** Notes from where on a crash may be in the middle of what follows. */
  begin(): void {
    const { durable, latest } = this.model
    this.before = { eventCount: this.device.log.events.length, durable, latest }
  }

  /** What each handle sees, what stat(2) shows each process, and whether anything is staged. */
  async look(): Promise<void> {
    for (const [slot, { fh, model }] of this.slots) {
      const [found, expected] = [await this.seen(fh), model.view.seen]
      if (!found.equals(expected)) assert.fail(`what ${slot} sees ${difference(found, expected)}`)
    }
    for (const [i, file] of this.model.files.entries()) {
      for (const process of this.pids.keys()) {
        const ino = this.inos[i] ?? 0
        const caller = this.caller(process)
        const { size } = await this.fs.getAttributes(ino, caller)
        const expected = this.model.sizeFor(file, process) ?? size
        assert.equal(size, expected, `size of file ${i} that process ${process} is told`)
        await this.lookAtState(file, ino, process)
      }
    }
  }

  /** What is staged may be what was there before, so it need not say "staged" for all that is. */
  async lookAtState(file: ModelFile, ino: number, process: number): Promise<void> {
    const caller = this.caller(process)
    const state = Buffer.from(await this.fs.getXattr(ino, 'user.atomic.state', caller)).toString()
    const isStaged = state.startsWith('state=staged')
    const views = this.model.meant(file, process)
    if (views === undefined) return
    const staged = views.filter((view) => view.staged !== undefined)
    if (staged.length === 0) assert.ok(!isStaged, `nothing is staged: ${state}`)
    const isChanged = staged.some(({ seen }) => !seen.equals(file.newest))
    if (isChanged) assert.ok(isStaged, `something is staged: ${state}`)
  }

  async seen(fh: number): Promise<Buffer> {
    return Buffer.concat(await this.fs.read(fh, 0, FILE_MAX + 4096))
  }

  private async found(ino: number): Promise<FoundFile> {
    const attribute = async (name: string): Promise<string | undefined> => {
      try {
        return Buffer.from(await this.fs.getXattr(ino, name)).toString()
      } catch (error) {
        if (error instanceof FsError && error.code === 'ENODATA') return undefined
        throw error
      }
    }
    const atomic = await attribute('user.atomic')
    const onClose = await attribute('user.atomic.onclose')
    const mode: Mode = atomic === undefined ? 'ordinary' : atomic === '1' ? 'shared' : 'isolated'
    return {
      content: await v.contentOf(this.fs, ino),
      mode,
      onClose: ON_CLOSE.find((known) => known === onClose) ?? 'publish',
      group: await attribute('user.atomic.group'),
    }
  }

  /** Every numbered invariant holds of what is on the disk. */
  private async assertSound(image: DeviceImage): Promise<void> {
    const { findings } = await checkVolume(new MemoryDevice(image), 'test', { data: true })
    assert.deepEqual(findings, [])
  }

  async ioctl(
    { fh, ino, model }: Handle,
    command: number,
    input = new Uint8Array(0),
  ): Promise<Uint8Array> {
    const request = { ino, fh, isDirectory: false, command, input, address: 0n }
    return this.fs.ioctl(request, this.caller(model.process))
  }

  async expect(answers: Answers, work: () => unknown): Promise<true> {
    this.assertAnswer(await answerOf(work), answers)
    return true
  }

  assertAnswer(answer: string, allowed: Answers): void {
    this.played.push(`  ${answer}`)
    assert.ok(allowed.includes(answer), `was answered ${answer}, not ${allowed.join(' or ')}`)
  }

  caller(process: number) {
    return { ...v.CALLER, pid: this.pids[process] ?? 0 }
  }

  /** Everything that was taken for the files comes back when they are gone. */
  async removeAll(): Promise<void> {
    await this.assertSound(this.image)
    for (const [i, name] of FILE_NAMES.entries()) {
      await this.fs.unlink(v.ROOT, name)
      this.fs.forget(this.inos[i] ?? 0, 1)
    }
    await this.fs.context.reaper.drain()
    for (let i = 0; i < 3; i++) await this.opened.volume.engine.checkpointer.run()
    assert.equal(this.usedBlocks, this.usedBefore, 'blocks in use')
  }
}
