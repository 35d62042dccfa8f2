import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CheckReport, checkVolume } from '../../src/check/check-volume.ts'
import { type DeviceImage, MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { dumpVolume } from '../../src/dump/dump-volume.ts'
import * as v from '../support/volume.ts'
import { closedVolume, killedVolume } from './populated.ts'

async function assertClean(device: MemoryDevice): Promise<CheckReport> {
  const report = await checkVolume(device, 'test', { data: true })
  assert.deepEqual(report.findings, [])
  assert.ok(report.isClean && report.isComplete)
  return report
}

/** What a crash would leave after each write to the ring, and after each checkpoint. */
async function imagesDuring(
  device: MemoryDevice,
  work: () => Promise<void>,
): Promise<DeviceImage[]> {
  const { ring, index } = device
  const images: DeviceImage[] = []
  const write = ring.write.bind(ring)
  const batch = index.batch.bind(index)
  ring.write = (block, data) => {
    write(block, data)
    images.push(device.image())
  }
  index.batch = async (operations) => {
    await batch(operations)
    images.push(device.image())
  }
  await work()
  Object.assign(ring, { write })
  Object.assign(index, { batch })
  return images
}

/** Whether a record that waits for replay in one of the images does something. */
async function someWaits(images: readonly DeviceImage[], operation: string): Promise<boolean> {
  for (const image of images) {
    for await (const line of dumpVolume(new MemoryDevice(image), 'test')) {
      if (line.startsWith('record') && line.includes(operation)) return true
    }
  }
  return false
}

describe('checkVolume()', () => {
  test('finds nothing in a new volume', async () => {
    const device = new MemoryDevice(emptyImage(256))
    await v.makeTestVolume(device)
    assert.equal((await assertClean(device)).inodeCount, 1)
  })

  test('finds nothing in a volume whose daemon was killed, and changes nothing', async () => {
    const { image } = await killedVolume()
    const device = new MemoryDevice(image)
    const report = await assertClean(device)
    assert.ok(report.recordCount > 10)
    assert.ok(report.verifiedCount > 700 && report.mappedCount > report.verifiedCount)
    assert.deepEqual(device.image(), image)
  })

  test('finds nothing in a volume that was closed, with and without its data', async () => {
    const { image } = await closedVolume()
    const device = new MemoryDevice(image)
    const report = await assertClean(device)
    assert.equal(report.recordCount, 0)
    assert.ok(
      report.verifiedCount > report.mappedCount,
      'shared blocks are looked at in each place',
    )
    const quick = await checkVolume(device, 'test', { data: false })
    assert.deepEqual(quick.findings, [])
    assert.equal(quick.verifiedCount, 0)
  })

  test('finds nothing after recovery, and tells how far it is', async () => {
    const { image } = await killedVolume()
    const device = new MemoryDevice(image)
    await v.openTestFilesystem(device)
    const steps: string[] = []
    await checkVolume(device, 'test', {
      data: true,
      onProgress: ({ step, doneCount, totalCount }) => {
        assert.ok(doneCount <= totalCount)
        steps.push(step)
      },
    })
    assert.deepEqual([...new Set(steps)], ['names', 'blocks'])
    await assertClean(device)
  })

  test('finds nothing at any moment of a publish by generation', async () => {
    const device = new MemoryDevice(emptyImage(256))
    await v.makeTestVolume(device)
    const { fs } = await v.openTestFilesystem(device)
    const { fh } = await v.createFile(fs, v.ROOT, 'a')
    for (let round = 0; round < 2; round++) {
      for (let i = round; i < 9000; i += 2) {
        await fs.write(fh, v.writeRequest(i * 4096, Buffer.alloc(4096, i)))
      }
      const images = await imagesDuring(device, () => fs.fsync(fh))
      assert.ok(images.length > 10)
      for (const image of images) {
        const report = await checkVolume(new MemoryDevice(image), 'test', { data: false })
        assert.deepEqual(report.findings, [])
      }
      assert.ok(await someWaits(images, 'put inode 2 its pending generation'))
    }
    await assertClean(device)
  })
})
