import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import { type DeviceImage, MemoryDevice } from '../../src/device/memory-device.ts'
import { readRecord } from '../../src/journal/recovery.ts'
import { MARKER_KEY } from '../../src/store/keys.ts'
import { decodeMarker } from '../../src/store/marker.ts'
import { openValue } from '../../src/store/metadata.ts'
import * as v from '../support/volume.ts'
import * as edit from './edit-image.ts'
import { killedVolume, wrongFiles } from './populated.ts'

/** Ring blocks at which the records begin that wait for replay. */
function waitingRecords(image: DeviceImage): number[] {
  const value = image.index.get(MARKER_KEY) ?? new Uint8Array(0)
  const marker = decodeMarker(openValue(MARKER_KEY, value))
  const { ring } = new MemoryDevice(image)
  const begins: number[] = []
  for (let block = marker.ringPosition; ;) {
    const record = readRecord(ring, block)
    if (record?.header.epoch !== marker.epoch) return begins
    begins.push(block)
    block += record.blockCount
  }
}

async function findingsOf(image: DeviceImage): Promise<string[]> {
  const { findings } = await checkVolume(new MemoryDevice(image), 'test', { data: true })
  return findings.map(({ invariant, message }) => `${invariant} ${message}`)
}

describe('checkVolume() of a ring', () => {
  test('with a damaged record that was durable: F4, and the volume opens for reading', async () => {
    const { image } = await killedVolume()
    const begins = waitingRecords(image)
    assert.ok(begins.length > 10)
    for (const begin of [begins[0] ?? 0, begins[5] ?? 0]) {
      const damaged = edit.withBlock(image, 'ring', begin, (block) => edit.flipBit(block, 700))
      assert.match((await findingsOf(damaged)).join('\n'), /^F4 commit \d+ was durable/)
      const { volume } = await v.openTestFilesystem(new MemoryDevice(damaged))
      assert.ok(volume.engine.health.readOnly)
    }
  })

  test('with a last record that is torn: nothing, for it counts as never written', async () => {
    const { image, ...volume } = await killedVolume()
    const last = waitingRecords(image).at(-1) ?? 0
    const torn = edit.withBlock(image, 'ring', last, (block) => edit.flipBit(block, 700))
    assert.deepEqual(await findingsOf(torn), [])
    const lost = await wrongFiles(new MemoryDevice(torn), volume)
    assert.ok(lost.length <= 1)
  })

  test('with records of an epoch that the index does not know: F4', async () => {
    const { image } = await killedVolume()
    const device = new MemoryDevice(image)
    const { fs } = await v.openTestFilesystem(device)
    await fs.makeDirectory(v.ROOT, 'later', 0o755, v.CALLER)
    await fs.fsyncDirectory()
    const damaged = { ...device.image(), index: image.index }
    assert.match((await findingsOf(damaged)).join('\n'), /^F4 the index has lost the checkpoint/)
  })
})
