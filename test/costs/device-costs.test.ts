/**
 * Goal: operations cost what the design says, in calls of the device. Counted, not timed: a change
 * that adds a flush, a record or a batch to an operation fails here, and has to say why.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyImage } from '../../src/device/memory-device.ts'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { DeviceEvent } from '../support/devices/device-log.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import * as v from '../support/volume.ts'

const TIMEOUT = { timeout: 20_000 } as const
const BLOCK = 4096
const FILE_COUNT = 100

interface Costs {
  /** Writes that are durable when they return. */
  readonly durable?: number
  /** Writes to the host's cache. */
  readonly cached?: number
  readonly flushes?: number
  readonly batches?: number
  /** All of the writes, in blocks. */
  readonly blocks?: number
}

const NOTHING: Costs = {}
/** A record that nobody waits for. */
const ONE_RECORD: Costs = { cached: 1, blocks: 1 }

function costsOf(events: readonly DeviceEvent[]): Costs {
  const counts = { durable: 0, cached: 0, flushes: 0, batches: 0, blocks: 0 }
  for (const event of events) {
    if (event.type === 'write') {
      counts.cached++
      counts.blocks += event.data.length / BLOCK
    }
    if (event.type !== 'start') continue
    const { call } = event
    if (call.type === 'flush') counts.flushes++
    else if (call.type === 'batch') counts.batches++
    else {
      counts.durable++
      counts.blocks += call.data.length / BLOCK
    }
  }
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

/** A volume whose new files are atomic, and what work on it costs. */
async function fresh() {
  const device = new RecordingDevice(DiskState.of(emptyImage(4096)))
  await v.makeTestVolume(device)
  const { fs, volume } = await v.openTestFilesystem(device, { newFiles: 'shared' })
  const costs = async (expected: Costs, work: () => unknown): Promise<void> => {
    const { length } = device.log.events
    await work()
    assert.deepEqual(costsOf(device.log.events.slice(length)), expected)
  }
  return { fs, engine: volume.engine, costs }
}

const page = new Uint8Array(BLOCK).fill(7)

async function writePages(fs: Filesystem, fh: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await fs.write(fh, v.writeRequest(3 * i * BLOCK, page))
}

async function close(fs: Filesystem, fh: number): Promise<void> {
  await fs.flush(fh, v.CALLER)
  await fs.release(fh)
}

for (const [pageCount, blocks] of [
  [1, 2],
  [16, 17],
  [64, 65],
] as const) {
  const name = `a commit of ${pageCount} scattered pages is one durable write of ${blocks} blocks`
  test(name, TIMEOUT, async () => {
    const { fs, engine, costs } = await fresh()
    const { fh } = await v.createFile(fs, v.ROOT, 'file')
    await writePages(fs, fh, pageCount)
    await fs.fsync(fh)
    await engine.checkpointer.run()
    // Also where the pages before it are not at home yet.
    for (let round = 0; round < 3; round++) {
      await costs(NOTHING, () => writePages(fs, fh, pageCount))
      await costs({ durable: 1, blocks }, () => fs.fsync(fh))
    }
    await costs(NOTHING, () => fs.fsync(fh))
  })
}

test("an operation on a name is one record in the host's cache", TIMEOUT, async () => {
  const { fs, costs } = await fresh()
  let fh = 0
  await costs(ONE_RECORD, async () => ({ fh } = await v.createFile(fs, v.ROOT, 'a')))
  await costs(NOTHING, () => close(fs, fh))
  await costs(NOTHING, () => fs.lookup(v.ROOT, 'a'))
  const request = { parent: v.ROOT, newParent: v.ROOT, noReplace: false, exchange: false }
  await costs(ONE_RECORD, () => fs.rename({ ...request, name: 'a', newName: 'b' }))
  await costs(ONE_RECORD, () => fs.makeDirectory(v.ROOT, 'd', 0o755, v.CALLER))
  await costs(ONE_RECORD, () => fs.removeDirectory(v.ROOT, 'd'))
  await costs(ONE_RECORD, () => fs.unlink(v.ROOT, 'b'))
  await costs({ flushes: 1 }, () => fs.fsyncDirectory())
  await costs(NOTHING, () => fs.fsyncDirectory())
})

test(
  'a file that is written, synced and renamed over another costs two flushes',
  TIMEOUT,
  async () => {
    const { fs, costs } = await fresh()
    await close(fs, (await v.createFile(fs, v.ROOT, 'file')).fh)
    await fs.fsyncDirectory()
    await costs({ cached: 3, flushes: 2, blocks: 4 }, async () => {
      const { fh } = await v.createFile(fs, v.ROOT, 'new')
      await writePages(fs, fh, 1)
      await fs.fsync(fh)
      await close(fs, fh)
      const places = { parent: v.ROOT, newParent: v.ROOT, noReplace: false, exchange: false }
      await fs.rename({ ...places, name: 'new', newName: 'file' })
      await fs.fsyncDirectory()
    })
  },
)

test(
  `a commit of ${FILE_COUNT} files is one durable write; a checkpoint is one batch`,
  TIMEOUT,
  async () => {
    const { fs, engine, costs } = await fresh()
    const names = Array.from({ length: FILE_COUNT }, (_, i) => `f${i}`)
    const handles: number[] = []
    for (const name of names) handles.push((await v.createFile(fs, v.ROOT, name)).fh)
    await engine.checkpointer.run()
    const commit = async (): Promise<void> => {
      for (const fh of handles) await writePages(fs, fh, 1)
      await fs.setXattr(v.ROOT, 'user.atomic.commit', Buffer.from(names.join('\n')), 0)
    }
    // 100 pages, and what is said about them.
    for (let round = 0; round < 2; round++) await costs({ durable: 1, blocks: 104 }, commit)
    // The pages lie side by side, and go home in slices of 32.
    await costs({ cached: 4, flushes: 1, batches: 1, blocks: 100 }, () => engine.checkpointer.run())
  },
)
