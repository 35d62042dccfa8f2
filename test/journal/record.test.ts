import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { crc32c } from '../../src/crc32c.ts'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { FsError } from '../../src/errors.ts'
import {
  type RecordHeader,
  type RingRecord,
  decodeRecord,
  encodeRecord,
  measureRecord,
  opSize,
} from '../../src/journal/record.ts'
import { FILE_BLOCKS_MAX } from '../../src/store/inode.ts'
import type { Op } from '../../src/store/ops.ts'
import { RUN, counter, i64, latin1, u32 } from '../store/arbitraries.ts'

const header: fc.Arbitrary<RecordHeader> = fc.record(
  {
    commitSeq: counter(),
    position: counter(),
    epoch: u32(),
    volume: u32(),
    durableSeq: counter(),
    checkpointSeq: counter(),
    timeNs: i64(),
    partsLeft: fc.nat(0xffff),
  },
  { noNullPrototype: true },
)

const place = {
  ino: counter(),
  generation: fc.nat(0xffff_fffe),
  fileBlock: fc.nat(FILE_BLOCKS_MAX),
}
const plain = { noNullPrototype: true } as const

const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ type: fc.constant('put'), key: latin1(300), body: fc.uint8Array() }, plain),
  fc.record({ type: fc.constant('del'), key: latin1(300) }, plain),
  fc.record({ type: fc.constant('unmap'), ...place, count: u32() }, plain),
  fc.record({ type: fc.constant('drop'), ...place }, plain),
  fc.record({ type: fc.constant('vacate'), ...place, count: u32() }, plain),
  fc.record({ type: fc.constant('move'), ...place, block: u32(), checksums: fc.uint32Array() }, plain),
  fc.record({ type: fc.constant('remap'), ...place, block: u32(), checksums: fc.uint32Array() }, plain),
  fc
    .record({ type: fc.constant('page'), ...place, block: u32(), fill: fc.nat(255) }, plain)
    .map(({ fill, ...rest }) => {
      const data = new Uint8Array(BLOCK_SIZE).fill(fill)
      return { ...rest, checksum: crc32c(data), data }
    }),
) // prettier-ignore

function encode(fields: RecordHeader, ops: readonly Op[], spareBlocks = 0): Buffer {
  const { blockCount } = measureRecord(ops)
  const target = Buffer.alloc((blockCount + spareBlocks) * BLOCK_SIZE, 0xa5)
  encodeRecord(fields, ops, target)
  return target
}

/** The decoded record as plain data, so that it compares. */
function decodePlain(bytes: Uint8Array): RingRecord | 'invalid' {
  const record = decodeRecord(bytes)
  if (record === 'invalid') return record
  const ops = record.ops.map((found) =>
    found.type === 'page' ? { ...found, data: Uint8Array.from(found.data) } : found,
  )
  return { ...record, ops }
}

test('a record comes back as it was, whatever follows it', RUN, () => {
  fc.assert(
    fc.property(header, fc.array(op), fc.nat(2), (fields, ops, spareBlocks) => {
      const { headerBlocks, blockCount } = measureRecord(ops)
      assert.ok(headerBlocks * BLOCK_SIZE >= ops.reduce((sum, each) => sum + opSize(each), 0))
      const bytes = encode(fields, ops, spareBlocks)
      assert.deepEqual(decodePlain(bytes), { header: fields, blockCount, ops })
    }),
  )
})

test('a record with any bit changed is invalid', RUN, () => {
  fc.assert(
    fc.property(header, fc.array(op, { minLength: 1 }), fc.nat(), fc.nat(), (fields, ops, at, near) => {
      const bytes = encode(fields, ops)
      // One anywhere, and one among the first, where the fields are.
      for (const bit of [at % (bytes.length * 8), near % 1000]) {
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.equal(decodeRecord(bytes), 'invalid', `bit ${bit}`)
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      }
    }),
    { numRuns: 300 },
  ) // prettier-ignore
})

test('a record of which a block is missing or old is invalid', RUN, () => {
  fc.assert(
    fc.property(header, fc.array(op, { minLength: 1 }), fc.nat(), (fields, ops, at) => {
      const bytes = encode(fields, ops)
      const block = at % (bytes.length / BLOCK_SIZE)
      assert.equal(decodeRecord(bytes.subarray(0, block * BLOCK_SIZE + 100)), 'invalid')
      const old = bytes.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE)
      for (const [i, byte] of old.entries()) old[i] = byte ^ 0xff
      assert.equal(decodeRecord(bytes), 'invalid')
    }),
  )
})

test('garbage is no record', RUN, () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 100, maxLength: 3 * BLOCK_SIZE }), fc.boolean(), (bytes, marked) => {
      const garbage = Buffer.from(bytes)
      if (marked) garbage.writeUInt32LE(0x6a72_616f)
      try {
        assert.equal(decodeRecord(garbage), 'invalid')
      } catch (error) {
        assert.ok(error instanceof FsError, String(error))
      }
    }),
  ) // prettier-ignore
})
