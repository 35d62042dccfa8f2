import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ByteReader, ByteWriter } from '../../src/bytes.ts'
import { FsError } from '../../src/errors.ts'
import { RUN, latin1 } from './arbitraries.ts'

const field = fc.oneof(
  fc.record({ type: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ type: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ type: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ type: fc.constant('u64' as const), value: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('i64' as const), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
  fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array() }),
  fc.record({ type: fc.constant('latin1' as const), value: latin1() }),
)
type Field = typeof field extends fc.Arbitrary<infer Value> ? Value : never

const SIZES = { u8: 1, u16: 2, u32: 4, u64: 8, i64: 8 } as const

function sizeOf(item: Field): number {
  return item.type === 'bytes' || item.type === 'latin1' ? item.value.length : SIZES[item.type]
}

function write(out: ByteWriter, item: Field): void {
  if (item.type === 'i64') out.i64(item.value)
  else if (item.type === 'bytes') out.bytes(item.value)
  else if (item.type === 'latin1') out.latin1(item.value)
  else out[item.type](item.value)
}

function read(input: ByteReader, item: Field): unknown {
  if (item.type === 'bytes') return Uint8Array.from(input.bytes(item.value.length))
  if (item.type === 'latin1') return input.latin1(item.value.length)
  return input[item.type]()
}

test('ByteReader reads what ByteWriter wrote, and nothing behind it', RUN, () => {
  fc.assert(
    fc.property(fc.array(field), (fields) => {
      const size = fields.reduce((sum, item) => sum + sizeOf(item), 0)
      const out = new ByteWriter(Buffer.alloc(size))
      for (const item of fields) write(out, item)
      assert.equal(out.position, size)
      const input = new ByteReader(out.buffer)
      for (const item of fields) assert.deepEqual(read(input, item), item.value)
      assert.equal(input.remaining, 0)
      assert.throws(() => input.u8(), FsError)
    }),
  )
})

test('ByteReader throws FsError where it would pass its end', RUN, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.nat(25), field, (bytes, end, item) => {
      const input = new ByteReader(bytes, 0, Math.min(end, bytes.length))
      if (sizeOf(item) <= input.remaining) return
      assert.throws(() => read(input, item), FsError)
    }),
  )
})

test('u64() refuses numbers that JavaScript would round', RUN, () => {
  assert.throws(() => new ByteReader(Buffer.alloc(8, 0xff)).u64(), FsError)
  const out = new ByteWriter(Buffer.alloc(8))
  for (const value of [-1, 0.5, 2 ** 53, NaN]) {
    assert.throws(() => {
      out.u64(value)
    }, /invariant/)
  }
})
