import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { FaultyDevice } from '../support/devices/faulty-device.ts'
import { assertBytes, isFsError, patternOf, readBack } from './contract.ts'

const ENTRY = { type: 'put', key: 'a', value: Buffer.from('1') } as const

test('FaultyDevice fails the chosen call and no other', async () => {
  const faulty = new FaultyDevice(new MemoryDevice(), [
    { kind: 'ring.flush', call: 1, result: 'EIO' },
    { kind: 'blocks.grow', call: 0, result: 'ENOSPC' },
  ])
  await faulty.ring.flush()
  await assert.rejects(faulty.ring.flush(), isFsError('EIO'))
  await faulty.ring.flush()
  assert.equal(faulty.callCount('ring.flush'), 3)
  assert.throws(() => {
    faulty.blocks.grow(5)
  }, isFsError('ENOSPC'))
  assert.equal(faulty.blocks.blockCount, 1)
})

test('FaultyDevice counts all kinds together for `any`', async () => {
  const faulty = new FaultyDevice(new MemoryDevice(), [
    { kind: 'any', call: 2, result: 'EIO', isLasting: true },
  ])
  faulty.ring.write(0, patternOf(1))
  faulty.index.get('a')
  assert.equal(faulty.hasFailed, false)
  await assert.rejects(faulty.index.batch([ENTRY]), isFsError('EIO'))
  assert.throws(() => faulty.readSuperblock(0), isFsError('EIO'))
  assert.equal(faulty.hasFailed, true)
})

test('FaultyDevice stores a part of a short write', async () => {
  const faulty = new FaultyDevice(new MemoryDevice())
  faulty.failNext({ kind: 'ring.writeDurable', result: 'short' })
  await assert.rejects(faulty.ring.writeDurable(0, patternOf(1, 2)), isFsError('EIO'))
  assertBytes(readBack(faulty.ring, 0), patternOf(1, 2).subarray(0, BLOCK_SIZE))
  assertBytes(readBack(faulty.ring, 1), new Uint8Array(BLOCK_SIZE))
  faulty.failNext({ kind: 'ring.write', result: 'short' }, 1)
  faulty.ring.write(4, patternOf(2))
  assert.throws(() => {
    faulty.ring.write(4, patternOf(3))
  }, isFsError('EIO'))
  const half = BLOCK_SIZE / 2
  assertBytes(readBack(faulty.ring, 4).subarray(0, half), patternOf(3).subarray(0, half))
  assertBytes(readBack(faulty.ring, 4).subarray(half), patternOf(2).subarray(half))
})

test('an index refuses every batch after one that failed', async () => {
  for (const result of ['EIO', 'short'] as const) {
    const faulty = new FaultyDevice(new MemoryDevice(), [{ kind: 'index.batch', call: 0, result }])
    await assert.rejects(faulty.index.batch([ENTRY]), isFsError('EIO'))
    await assert.rejects(faulty.index.batch([ENTRY]), /an earlier batch failed/)
    assert.equal(faulty.callCount('index.batch'), 1)
    assert.equal(faulty.index.get('a') !== undefined, result === 'short')
  }
})
