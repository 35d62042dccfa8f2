/** Plays steps on a filesystem and on the model of it, and has both compared after each. */
import assert from 'node:assert/strict'
import { Random } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { playExchange, playSample } from './exchange-player.ts'
import { type Access, type Answers, OK } from './model.ts'
import { FILE_NAMES, type End, type Step } from './steps.ts'
import { ModelFile } from './view.ts'
import { type Doing, FILE_MAX, type Handle, World } from './world.ts'

const IOCTLS = { START: 0xf501, COMMIT: 0xf502, ABORT: 0xf505, REPLACE: 0xf519 } as const
const OPEN = { r: 0, rw: 2, sync: 0o10002, append: 0o2002, truncate: 0o1002 } as const
const ALLOCATE = { fill: 0, punch: 2, zero: 0x10, collapse: 8 } as const
const KEEP_SIZE = 1

export class Player {
  readonly world: World

  constructor(world: World) {
    this.world = world
  }

  static async start(): Promise<Player> {
    return new Player(await World.start())
  }

  async step(step: Step): Promise<void> {
    if (step.type !== 'crash') this.world.begin()
    this.world.played.push(JSON.stringify(step))
    const isDone = await this.play(step)
    if (isDone) await this.world.look()
    else this.world.played.pop()
  }

  /** Closes everything, and takes the files away. */
  async end(): Promise<void> {
    for (const slot of this.world.slots.keys()) await this.close(slot, 'closes')
    await this.world.look()
    await this.world.removeAll()
  }

  /** Returns false for a step that does not apply. */
  private async play(step: Step): Promise<boolean> {
    switch (step.type) {
      case 'open':
        return this.open(step)
      case 'temporary':
        return this.openTemporary(step)
      case 'close':
        return this.close(step.slot, 'closes')
      case 'flush':
        return this.flush(step)
      case 'end':
        return this.endProcess(step)
      case 'write':
        return this.write(step)
      case 'truncate':
        return this.truncate(step)
      case 'truncateByName':
        return this.truncateByName(step)
      case 'allocate':
        return this.allocate(step)
      case 'copy':
        return this.copy(step)
      case 'fsync':
        return this.through(step.slot, ({ fh, model }) => [
          this.world.model.fsync(model),
          async () => this.world.fs.fsync(fh),
        ])
      case 'mode':
      case 'onClose':
      case 'group':
        return this.control(step)
      case 'commit':
      case 'rollback':
        return this.byName(step)
      case 'commitFiles':
        return this.commitFiles(step)
      case 'ioctl':
        return this.through(step.slot, (handle) => [
          this.world.model.ioctl(handle.model, step.call),
          async () => this.world.ioctl(handle, IOCTLS[step.call]),
        ])
      case 'sample':
        return playSample(this.world, step)
      case 'exchange':
        return playExchange(this.world, step)
      case 'writeBack':
        this.world.model.writeBack()
        return this.world.expect(OK, () => this.world.fs.writeBack())
      case 'checkpoint':
        return this.checkpoint(step)
      case 'unmount':
        return this.world.unmount()
      case 'crash':
        return this.world.crash(step)
    }
  }

  private async open({ slot, file, process, how }: Doing<'open'>): Promise<boolean> {
    const [model, ino] = [this.world.model.files[file], this.world.inos[file]]
    if (this.world.slots.has(slot) || model === undefined || ino === undefined) return false
    const flags = OPEN[how]
    const { fh } = await this.world.fs.open(ino, flags, this.world.caller(process))
    const handle = this.world.model.open(model, process, accessOf(flags))
    if (how === 'truncate' && handle.view.seen.length > 0) handle.view.truncate(0)
    this.world.slots.set(slot, { fh, ino, flags, model: handle })
    return true
  }

  private async openTemporary({ slot, process }: Doing<'temporary'>): Promise<boolean> {
    if (this.world.slots.has(slot)) return false
    const flags = OPEN.rw
    const made = await this.world.fs.makeUnnamed(v.ROOT, 0o600, flags, this.world.caller(process))
    const { ino } = made.attributes
    const handle = this.world.model.open(new ModelFile(Buffer.alloc(0)), process, accessOf(flags))
    this.world.slots.set(slot, { fh: made.opened.fh, ino, flags, model: handle })
    return true
  }

  private async close(slot: number, end: End): Promise<boolean> {
    const handle = this.world.slots.get(slot)
    if (handle === undefined) return false
    const { fh, ino, model } = handle
    const caller = this.world.caller(model.process)
    const answers = this.world.model.close(model, end)
    this.world.closing.add(fh)
    await this.world.expect(answers, () => this.world.fs.flush(fh, caller))
    await this.world.fs.release(fh)
    if (!this.world.inos.includes(ino)) this.world.fs.forget(ino, 1)
    this.world.slots.delete(slot)
    this.world.closing.delete(fh)
    return true
  }

  private async flush({ slot, process, end }: Doing<'flush'>): Promise<boolean> {
    const handle = this.world.slots.get(slot)
    if (handle === undefined) return false
    const isOwner = handle.model.process === process
    if (isOwner && end !== 'closes') return false
    const { processes } = this.world.opened
    const { pid } = this.world.caller(process)
    if (isOwner) processes.holding.add(pid)
    else if (end !== 'closes') return this.flushOfChild(handle, end)
    const answers = this.world.model.flush(handle.model, end)
    await this.world.expect(answers, () =>
      this.world.fs.flush(handle.fh, this.world.caller(process)),
    )
    processes.holding.delete(pid)
    return true
  }

  /** A process that has inherited the handle, and has nothing else, ends. */
  private async flushOfChild({ fh, model }: Handle, end: 'exits' | 'dies'): Promise<boolean> {
    const { processes } = this.world.opened
    const pid = this.world.nextPid++
    processes.states.set(pid, end === 'dies' ? 'died' : 'exited')
    const answers = this.world.model.flush(model, end)
    await this.world.expect(answers, () => this.world.fs.flush(fh, { ...v.CALLER, pid }))
    return true
  }

  private async endProcess({ process, end, writes }: Doing<'end'>): Promise<boolean> {
    const own = [...this.world.slots].filter(([, { model }]) => model.process === process)
    if (own.length === 0) return false
    const { pid } = this.world.caller(process)
    if (writes && end === 'dies') {
      for (const [, handle] of own.filter(canSync).slice(0, 1)) await this.writeHalf(handle)
    }
    this.world.opened.processes.states.set(pid, end === 'dies' ? 'died' : 'exited')
    for (const [, { fh }] of own) this.world.closing.add(fh)
    for (const [slot] of own) await this.close(slot, end)
    this.world.pids[process] = this.world.nextPid++
    for (const { users } of this.world.model.handles) users.delete(process)
    return true
  }

  /** Linux syncs what it has of a write through O_SYNC in the middle of which its process is killed. */
  private async writeHalf({ fh, flags, model }: Handle): Promise<void> {
    const caller = this.world.caller(model.process)
    const data = Buffer.alloc(10_000, 'half of a write')
    const { view, file } = model
    view.write(0, data)
    await this.world.fs.write(fh, { ...v.writeRequest(0, data), openFlags: flags, caller })
    this.world.opened.processes.killed.add(caller.pid)
    const answers = file.isAtomic ? ['EINTR'] : this.world.model.fsync(model)
    await this.world.expect(answers, () => this.world.fs.fsync(fh, false, caller))
  }

  private async write(step: Doing<'write'>): Promise<boolean> {
    const handle = this.world.slots.get(step.slot)
    if (handle === undefined || !handle.model.access.writes) return false
    const { fh, flags, model } = handle
    const { view, access } = model
    const at = access.appends ? view.seen.length : step.at
    const data = new Random(step.seed).bytes(Math.min(step.length, FILE_MAX - at))
    if (data.length === 0) return false
    const process = step.process ?? model.process
    const caller = this.world.caller(process)
    if (view.isIsolated) model.users.add(process)
    view.write(at, data)
    const answers = access.syncs ? this.world.model.fsync(model) : OK
    return this.world.expect(answers, async () => {
      await this.world.fs.write(fh, { ...v.writeRequest(at, data), openFlags: flags, caller })
      if (access.syncs && !view.isIsolated) await this.world.fs.fsync(fh, false, caller)
    })
  }

  private async truncate({ slot, size }: Doing<'truncate'>): Promise<boolean> {
    return this.through(slot, ({ fh, ino, model: { view, access } }) => {
      if (!access.writes) return undefined
      if (view.isIsolated || size !== view.seen.length) view.truncate(size)
      return [OK, async () => this.world.fs.setAttributes(ino, { size, fh }, v.CALLER)]
    })
  }

  private async truncateByName({ file, size }: Doing<'truncateByName'>): Promise<boolean> {
    return this.ofFile(file, (model, ino) => {
      this.world.model.truncateByName(model, size)
      return [OK, async () => this.world.fs.setAttributes(ino, { size }, v.CALLER)]
    })
  }

  private async allocate(step: Doing<'allocate'>): Promise<boolean> {
    return this.through(step.slot, ({ fh, model: { view, access } }) => {
      const { what, at, length } = step
      if (!access.writes || at + length > FILE_MAX) return undefined
      const keepSize = what === 'punch' || (step.keepSize && what !== 'collapse')
      const mode = ALLOCATE[what] | (keepSize ? KEEP_SIZE : 0)
      const work = async (): Promise<void> => this.world.fs.allocate(fh, mode, at, length)
      if (what === 'collapse') return [['EOPNOTSUPP'], work]
      const size = view.seen.length
      view.truncate(keepSize ? size : Math.max(size, at + length))
      if (what !== 'fill') view.zero(at, at + length)
      return [OK, work]
    })
  }

  private async copy(step: Doing<'copy'>): Promise<boolean> {
    const [target, source] = [this.world.slots.get(step.slot), this.world.slots.get(step.from)]
    if (target === undefined || source === undefined) return false
    const { access, view } = target.model
    if (!access.writes || access.appends || !source.model.access.reads) return false
    const from = source.model.view.seen
    const count = Math.max(0, Math.min(step.length, from.length - step.at))
    if (step.to + count > FILE_MAX) return false
    const overlaps = source.ino === target.ino && Math.abs(step.at - step.to) < count
    const range = { fh: source.fh, offset: step.at, targetFh: target.fh, targetOffset: step.to }
    // An ordinary file may be published whenever it is good for something; here it is shared then.
    if (!source.model.file.isAtomic) this.world.model.publish(source.model.view)
    if (!overlaps && count > 0) {
      view.write(step.to, Buffer.from(from.subarray(step.at, step.at + count)))
    }
    return this.world.expect(overlaps ? ['EINVAL'] : OK, async () => {
      const copied = await this.world.fs.copyRange({ ...range, lengthBytes: step.length })
      assert.equal(copied, count, 'bytes copied')
    })
  }

  private async control(step: Doing<'mode' | 'onClose' | 'group'>): Promise<boolean> {
    return this.ofFile(step.file, (file, ino) => {
      const set = async (name: string, value: string): Promise<void> =>
        this.world.fs.setXattr(ino, name, Buffer.from(value), 0)
      if (step.type === 'mode') {
        const value = { ordinary: '0', shared: '1', isolated: 'isolated' }[step.mode]
        return [this.world.model.setMode(file, step.mode), async () => set('user.atomic', value)]
      }
      if (step.type === 'onClose') {
        const { onClose } = step
        const answers = this.world.model.setOnClose(file, onClose)
        return [answers, async () => set('user.atomic.onclose', onClose)]
      }
      const { group } = step
      const answers = this.world.model.setGroup(file, group)
      return group === undefined
        ? [answers, async () => this.world.fs.removeXattr(ino, 'user.atomic.group')]
        : [answers, async () => set('user.atomic.group', group)]
    })
  }

  private async byName({ type, file, process }: Doing<'commit' | 'rollback'>): Promise<boolean> {
    return this.ofFile(file, (model, ino) => {
      const caller = this.world.caller(process)
      const answers = this.world.model[type](model, process)
      const name = `user.atomic.${type}`
      return [
        answers,
        async () => this.world.fs.setXattr(ino, name, Buffer.from('1'), 0, { caller }),
      ]
    })
  }

  private async commitFiles({ files, process }: Doing<'commitFiles'>): Promise<boolean> {
    const models = files.flatMap((file) => this.world.model.files[file] ?? [])
    const names = Buffer.from(files.map((file) => FILE_NAMES[file]).join('\n'))
    const caller = this.world.caller(process)
    return this.world.expect(this.world.model.commitFiles(models, process), () =>
      this.world.fs.setXattr(v.ROOT, 'user.atomic.commit', names, 0, { caller }),
    )
  }

  private async checkpoint({ waits }: Doing<'checkpoint'>): Promise<boolean> {
    const { checkpointer } = this.world.opened.volume.engine
    if (waits) await checkpointer.run()
    else checkpointer.start()
    return true
  }

  private async through(
    slot: number,
    plan: (handle: Handle) => Plan | undefined,
  ): Promise<boolean> {
    const handle = this.world.slots.get(slot)
    const planned = handle === undefined ? undefined : plan(handle)
    if (planned === undefined) return false
    return this.world.expect(...planned)
  }

  private async ofFile(
    file: number,
    plan: (model: ModelFile, ino: number) => Plan,
  ): Promise<boolean> {
    const [model, ino] = [this.world.model.files[file], this.world.inos[file]]
    if (model === undefined || ino === undefined) return false
    return this.world.expect(...plan(model, ino))
  }
}

type Plan = readonly [answers: Answers, work: () => unknown]

function accessOf(flags: number): Access {
  return {
    reads: true,
    writes: (flags & 3) !== 0,
    appends: (flags & 0o2000) !== 0,
    syncs: (flags & 0o10000) !== 0,
  }
}

const canSync = ([, { model }]: readonly [slot: number, handle: Handle]): boolean =>
  model.access.syncs && !model.view.isIsolated
