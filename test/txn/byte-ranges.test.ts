/** A set of ranges against a plain list of bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ByteRanges } from '../../src/txn/byte-ranges.ts'

const SIZE = 64

const ranges = fc.array(
  fc.record({
    adds: fc.boolean(),
    from: fc.integer({ min: 0, max: SIZE }),
    length: fc.integer({ min: 0, max: 20 }),
  }),
  { maxLength: 30 },
)

function holds(steps: readonly { adds: boolean; from: number; length: number }[]): void {
  const set = new ByteRanges()
  const bytes = Array.from({ length: SIZE + 20 }, () => false)
  for (const { adds, from, length } of steps) {
    if (adds) set.add(from, from + length)
    else set.remove(from, from + length)
    bytes.fill(adds, from, from + length)
  }
  const found = Array.from({ length: SIZE + 20 }, () => false)
  let end = -1
  for (const range of set.all()) {
    assert.ok(range.from > end && range.to > range.from, 'ranges are apart and in order')
    found.fill(true, range.from, range.to)
    end = range.to
  }
  assert.deepEqual(found, bytes)
  for (let at = 0; at < SIZE; at++) assert.equal(set.overlaps(at, at + 1), bytes[at])
}

test('ByteRanges has what was added and not removed since', () => {
  fc.assert(fc.property(ranges, holds))
})

test('ByteRanges of very many ranges has at least what is in it', () => {
  const MEBIBYTE = 1024 * 1024
  const set = new ByteRanges()
  for (let i = 0; i < 20_000; i++) set.add(i * 1000, i * 1000 + 1)
  set.remove(5 * MEBIBYTE + 1, 5 * MEBIBYTE + 2000)
  assert.ok(set.overlaps(5 * MEBIBYTE, 6 * MEBIBYTE))
  set.remove(7 * MEBIBYTE - 1, 9 * MEBIBYTE + 1)
  assert.deepEqual(
    [6.5, 7.5, 8.5, 9.5].map((at) => set.overlaps(at * MEBIBYTE, at * MEBIBYTE + 1)),
    [true, false, false, true],
  )
})
