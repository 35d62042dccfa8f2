import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { emptyImage, MemoryDevice } from '../../src/device/memory-device.ts'
import { OrderedMap } from '../../src/device/ordered-map.ts'
import { Random, testSeed } from '../support/random.ts'
import { FaultyDevice } from '../support/devices/faulty-device.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { assertBytes, deviceContract, isFsError, patternOf, readBack } from './contract.ts'

deviceContract('MemoryDevice', async () => new MemoryDevice())
deviceContract('RecordingDevice', async () => new RecordingDevice())
deviceContract(
  'RecordingDevice with shuffled calls',
  async () => new RecordingDevice(undefined, { random: new Random(1) }),
)
deviceContract('FaultyDevice without a fault', async () => new FaultyDevice(new MemoryDevice()))

test('MemoryDevice.image() is left alone by later writes', () => {
  const device = new MemoryDevice()
  device.ring.write(0, patternOf(1))
  const image = device.image()
  device.ring.write(0, patternOf(2))
  assertBytes(readBack(new MemoryDevice(image).ring, 0), patternOf(1))
})

test('MemoryDevice.blocks.grow() throws ENOSPC at its limit and changes nothing', () => {
  const { blocks } = new MemoryDevice(emptyImage(), { blockCountMax: 10 })
  blocks.grow(4)
  assert.throws(() => {
    blocks.grow(11)
  }, isFsError('ENOSPC'))
  assert.equal(blocks.blockCount, 4)
  assert.equal(blocks.hostFreeBytes(), 6 * BLOCK_SIZE)
})

test('OrderedMap equals a sorted Map after any changes', (context) => {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  const ordered = new OrderedMap<number>()
  const plain = new Map<string, number>()
  for (let step = 0; step < 3000; step++) {
    const key = String.fromCharCode(random.int(256), random.int(4))
    if (random.oneIn(3)) {
      ordered.delete(key)
      plain.delete(key)
    } else {
      ordered.set(key, step)
      plain.set(key, step)
    }
    if (!random.oneIn(20)) continue
    const from = String.fromCharCode(random.int(256))
    const expected = [...plain].filter(([known]) => known >= from && known < '\xf0')
    assert.deepEqual(
      ordered.slice(from, '\xf0'),
      expected.toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
  }
})
