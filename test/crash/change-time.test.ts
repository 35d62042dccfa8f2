/**
 * Goal: after chattr(1) the kernel sets the time of change once more, which is a commit of its own behind that
 * of the change. A crash leaves neither, the first, or both; never the second without the first.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Filesystem } from '../../src/fs/filesystem.ts'
import type { KernelCache } from '../../src/fs/operations.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { allCrashImages } from '../support/devices/crash-images.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { Random, testSeed } from '../support/random.ts'
import * as v from '../support/volume.ts'
import { TIMEOUT } from './run-workload.ts'

const GET_FLAGS = 0x8008_6601
const SET_FLAGS = 0x4008_6602
const NO_DUMP = 0x40
/** Later than anything that the clock of these tests says. */
const KERNEL_TIME = 2_000_000_000_000_000_000n

async function ioctl(fs: Filesystem, ino: number, command: number, flags: number): Promise<number> {
  const input = Buffer.alloc(8)
  input.writeUInt32LE(flags)
  const request = { ino, fh: 0, isDirectory: false, command, input }
  const output = Buffer.from(await fs.ioctl(request, v.CALLER))
  return output.length < 4 ? 0 : output.readUInt32LE()
}

test('a crash leaves a change of flags with a time of its own, or none', TIMEOUT, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const maker = new MemoryDevice(emptyImage(256))
  await v.makeTestVolume(maker)
  const device = new RecordingDevice(DiskState.of(maker.image()), { random: random.fork() })
  let moved: Promise<unknown> = Promise.resolve()
  const kernel: KernelCache = {
    ...v.NO_KERNEL,
    ownsAttributes: true,
    moveChangeTime: async (_attributes, take) => {
      moved = Promise.resolve(take(KERNEL_TIME))
      await moved
    },
  }
  const { fs } = await v.openTestFilesystem(device, { kernel })
  const { ino, fh } = await v.createFile(fs, v.ROOT, 'file')
  await fs.fsync(fh)
  const before = (await fs.getAttributes(ino)).ctimeNs
  const firstEvent = device.log.events.length
  await ioctl(fs, ino, SET_FLAGS, NO_DUMP)
  await moved
  await fs.fsync(fh)
  const names = new Map([
    [before, 'old time'],
    [KERNEL_TIME, 'time of the kernel'],
  ])
  const seen = new Set<string>()
  for (const image of allCrashImages(device.log, random)) {
    if (image.eventCount < firstEvent) continue
    const after = await v.openTestFilesystem(image.device)
    const flags = await ioctl(after.fs, ino, GET_FLAGS, 0)
    const time = names.get((await after.fs.getAttributes(ino)).ctimeNs) ?? 'time of the change'
    const state = `${flags === 0 ? 'as before' : 'changed'}, ${time}`
    seen.add(state)
    if (image.eventCount === device.log.events.length) {
      assert.equal(state, 'changed, time of the kernel', image.name)
    }
  }
  const all = ['as before, old time', 'changed, time of the change', 'changed, time of the kernel']
  assert.deepEqual([...seen].toSorted(), all)
})
