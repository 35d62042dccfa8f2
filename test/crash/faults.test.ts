/**
 * Goal: when a call of the device fails, the caller is told, nothing is reported as durable any more,
 * and nothing that was acknowledged is lost. Method: run a workload once to count the calls; then,
 * for each n, run it on a device whose n-th call fails, and open what is left.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { type Fault, FaultyDevice } from '../support/devices/faulty-device.ts'
import { Random } from '../support/random.ts'
import {
  CALLER,
  type TestFilesystem,
  contentOf,
  createFile,
  makeTestVolume,
  openTestFilesystem,
  writeRequest,
} from '../support/volume.ts'
import { codeOf } from './expect.ts'
import { BLOCK, TIMEOUT } from './run-workload.ts'
import { structureFaults } from './structure.ts'

const ROOT = 1

/** What the workload was promised, and what it may have got beyond that. */
interface Promised {
  acknowledged: Buffer | undefined
  attempted: Buffer | undefined
  names: Set<string>
}

for (const result of ['EIO', 'ENOSPC', 'short'] as const) {
  test(`a call that fails with ${result} loses nothing acknowledged`, TIMEOUT, async (t) => {
    await failEachCall(t, result)
  })
}

test('openVolumeOn() loses nothing when a call of it fails', TIMEOUT, async (t) => {
  const start = new MemoryDevice(emptyImage(256))
  await makeTestVolume(start)
  const { fs } = await openTestFilesystem(start)
  const { ino, fh } = await createFile(fs, ROOT, 'f')
  const content = Buffer.from(new Random(3).bytes(90 * BLOCK))
  for (const [from, end] of [
    [0, 5],
    [3, 80],
    [70, 90],
  ] as const) {
    const data = content.subarray(from * BLOCK, end * BLOCK)
    await fs.write(fh, writeRequest(from * BLOCK, data))
    await fs.fsync(fh)
  }
  const counting = new FaultyDevice(new MemoryDevice(start.image()))
  await openTestFilesystem(counting)
  const callCount = counting.callCount('any')
  for (let call = 0; call < callCount; call++) {
    for (const result of ['EIO', 'short'] as const) {
      const device = new MemoryDevice(start.image())
      const faulty = new FaultyDevice(device, [{ kind: 'any', call, result }])
      await openTestFilesystem(faulty).catch(() => undefined)
      const promised = { acknowledged: content, attempted: content, names: new Set<string>() }
      await assertKept(device, promised)
    }
  }
  t.diagnostic(`${callCount} calls, inode ${ino}`)
})

async function failEachCall(context: TestContext, result: Fault['result']): Promise<void> {
  const { callCount } = await runOn([])
  for (let call = 0; call < callCount; call++) {
    const { hasFailed, memory, promised, events } = await runOn([{ kind: 'any', call, result }])
    assert.ok(hasFailed, `call ${call} failed`)
    try {
      await assertKept(memory, promised)
    } catch (error) {
      const trace = events.join(', ')
      throw new Error(`Call ${call}: ${String(error)} after ${trace}`, { cause: error })
    }
  }
  context.diagnostic(`${callCount} calls`)
}

async function runOn(faults: readonly Fault[]): Promise<{
  readonly callCount: number
  readonly hasFailed: boolean
  readonly memory: MemoryDevice
  readonly promised: Promised
  readonly events: readonly string[]
}> {
  const memory = new MemoryDevice(emptyImage(256))
  await makeTestVolume(memory)
  const device = new FaultyDevice(memory, faults)
  const promised: Promised = { acknowledged: undefined, attempted: undefined, names: new Set() }
  const events: string[] = []
  try {
    const opened = await openTestFilesystem(device)
    await work(opened, promised, events)
    await assertReadOnly(opened, device, events)
  } catch (error) {
    events.push(`open: ${String(error)}`)
    assert.ok(device.hasFailed, `only a fault is a reason to fail: ${String(error)}`)
  }
  const callCount = device.callCount('any')
  return { callCount, hasFailed: device.hasFailed, memory, promised, events }
}

/** Overwrites, large writes, names and checkpoints; goes on after errors as a program would. */
async function work(
  { fs, volume }: TestFilesystem,
  promised: Promised,
  events: string[],
): Promise<void> {
  const random = new Random(7)
  const attempt = async (name: string, call: () => unknown): Promise<boolean> => {
    try {
      await call()
      return true
    } catch (error) {
      events.push(`${name}: ${codeOf(error)}`)
      return false
    }
  }
  let file: { ino: number; fh: number } | undefined
  await attempt('create', async () => {
    file = await createFile(fs, ROOT, 'f')
    await fs.setXattr(file.ino, 'user.atomic', Buffer.from('1'), 0)
  })
  if (file === undefined) return
  const { ino, fh } = file
  let staged = Buffer.alloc(0)
  for (const [offset, length] of [
    [0, 9 * BLOCK],
    [3 * BLOCK + 5, 2 * BLOCK],
    [0, 80 * BLOCK],
    [10 * BLOCK, 70 * BLOCK],
    [70 * BLOCK + 100, 20 * BLOCK],
  ] as const) {
    const data = random.bytes(length)
    if (await attempt('write', () => fs.write(fh, writeRequest(offset, data)))) {
      staged = overlay(staged, offset, data)
    }
    promised.attempted = staged
    if (await attempt('fsync', () => fs.fsync(fh))) promised.acknowledged = staged
    const name = `d${offset}`
    await attempt('mkdir', () => fs.makeDirectory(ROOT, name, 0o755, CALLER))
    if (await attempt('fsyncDirectory', () => fs.fsyncDirectory())) {
      if (fs.lookup(ROOT, name) !== undefined) promised.names.add(name)
    }
    await attempt('checkpoint', () => volume.engine.checkpointer.run())
  }
  assert.equal(ino, 2)
}

/** After a failure of which nobody knows what it left, nothing may be changed or called durable. */
async function assertReadOnly(
  { fs, volume }: TestFilesystem,
  device: FaultyDevice,
  events: readonly string[],
): Promise<void> {
  if (!device.hasFailed || !volume.engine.health.failed) return
  assert.ok(events.length > 0, 'somebody was told')
  await assert.rejects(async () => fs.makeDirectory(ROOT, 'late', 0o755, CALLER), { code: 'EROFS' })
  const { fh } = await fs.open(2, 0, CALLER)
  await assert.rejects(async () => fs.fsync(fh), { code: 'EIO' })
}

async function assertKept(memory: MemoryDevice, promised: Promised): Promise<void> {
  const device = new MemoryDevice(memory.image())
  const { fs, volume } = await openTestFilesystem(device)
  assert.equal(volume.report.damage, undefined)
  for (const name of promised.names) assert.ok(fs.lookup(ROOT, name), `"${name}" is there`)
  const attributes = fs.lookup(ROOT, 'f')
  assert.ok(attributes !== undefined || promised.acknowledged === undefined, 'the file is there')
  if (attributes !== undefined) {
    const content = await contentOf(fs, attributes.ino)
    const allowed = [promised.acknowledged ?? Buffer.alloc(0), promised.attempted]
    assert.ok(
      allowed.some((candidate) => candidate?.equals(content) === true),
      `the content, ${content.length} bytes, is an old or a new one`,
    )
  }
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
}

function overlay(old: Buffer, offset: number, data: Uint8Array): Buffer<ArrayBuffer> {
  const content = Buffer.alloc(Math.max(old.length, offset + data.length))
  content.set(old)
  content.set(data, offset)
  return content
}
