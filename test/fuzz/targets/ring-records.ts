/** The decoder of one ring record, with its two levels of checksums right and wrong. */
import assert from 'node:assert/strict'
import { BLOCK_SIZE } from '../../../src/device/device.ts'
import { crc32c } from '../../../src/crc32c.ts'
import { decodeRecord, encodeRecord, measureRecord } from '../../../src/journal/record.ts'
import { inodeKey } from '../../../src/store/keys.ts'
import { type Op, blockCountOf, checkOp } from '../../../src/store/ops.ts'
import type { Random } from '../../support/random.ts'
import { type Input, type Target, refusable } from '../kit/target.ts'

const HEADER_OFFSET = 32
/** Of a volume that the operations may be of. */
const BLOCK_COUNT = 150

function someOp(random: Random): Op {
  const place = { ino: random.int(20), generation: random.int(3), fileBlock: random.int(200) }
  const block = random.int(100)
  switch (random.int(8)) {
    case 0:
      return { type: 'put', key: inodeKey(random.int(20)), body: random.bytes(random.int(150)) }
    case 1:
      return { type: 'del', key: inodeKey(random.int(20)) }
    case 2: {
      const data = Buffer.alloc(BLOCK_SIZE, random.int(256))
      return { type: 'page', ...place, block, checksum: crc32c(data), data }
    }
    case 3:
      return { type: 'remap', ...place, block, checksums: new Uint32Array(random.int(8)) }
    case 4:
      return { type: 'unmap', ...place, count: random.int(10) }
    case 5:
      return { type: 'vacate', ...place, count: random.int(10) }
    case 6:
      return { type: 'move', ...place, block, checksums: new Uint32Array(random.int(8)) }
    default:
      return { type: 'drop', ...place }
  }
}

function generate(random: Random): Input {
  const ops = Array.from({ length: random.int(6) }, () => someOp(random))
  const bytes = Buffer.alloc(measureRecord(ops).blockCount * BLOCK_SIZE)
  const counters = { commitSeq: 1 + random.int(9), durableSeq: 0, checkpointSeq: 0 }
  const place = { position: random.int(256), epoch: 1, volume: 5, partsLeft: random.int(3) }
  const header = { ...counters, ...place, timeNs: 0n }
  encodeRecord(header, ops, bytes)
  return [bytes]
}

/** Whole blocks again, with the checksum of the header right. */
function sealRecord(bytes: Uint8Array): Buffer {
  const blockCount = Math.max(1, Math.ceil(bytes.length / BLOCK_SIZE))
  const record = Buffer.alloc(blockCount * BLOCK_SIZE)
  record.set(bytes)
  const headerBlocks = Math.min(record.readUInt32LE(HEADER_OFFSET), blockCount)
  record.writeUInt32LE(crc32c(record.subarray(8, Math.max(1, headerBlocks) * BLOCK_SIZE)), 4)
  return record
}

function checkRanges(op: Op): void {
  if (op.type === 'put' || op.type === 'del') return
  const end = op.fileBlock + blockCountOf(op)
  assert.ok(end < 2 ** 32, 'an operation stays within a file')
  const last = 'block' in op ? op.block + blockCountOf(op) : 1
  assert.ok(last <= BLOCK_COUNT, 'an operation stays within the volume')
  assert.ok(!('block' in op) || op.block > 0, 'block 0 belongs to nobody')
}

function run([bytes = Buffer.alloc(0)]: Input): void {
  const record = refusable(() => decodeRecord(bytes))
  if (record === undefined || record === 'invalid') return
  const { ops, blockCount } = record
  assert.ok(blockCount * BLOCK_SIZE <= bytes.length)
  for (const each of ops) {
    if (each.type === 'page') assert.equal(each.data.length, BLOCK_SIZE)
    const isPossible = refusable(() => {
      checkOp(each, BLOCK_COUNT)
      return true
    })
    if (isPossible === true) checkRanges(each)
  }
  const measured = measureRecord(ops)
  const again = Buffer.alloc(measured.blockCount * BLOCK_SIZE)
  encodeRecord(record.header, ops, again)
  assert.notEqual(decodeRecord(again), 'invalid')
}

export const ringRecords: readonly Target[] = [
  {
    name: 'record',
    weight: 2,
    generate,
    seal: ([bytes]) => [sealRecord(bytes ?? Buffer.alloc(0))],
    run,
  },
]
