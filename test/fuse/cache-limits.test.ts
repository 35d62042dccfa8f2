import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deviceName } from '../../src/fuse/kernel/cache-limits.ts'

test('deviceName() unpacks major and minor', () => {
  assert.equal(deviceName(0x2d), '0:45')
  assert.equal(deviceName((254 << 8) | 1), '254:1')
  assert.equal(deviceName((8 << 8) | 0x12 | (0x3 << 20)), '8:786')
})
