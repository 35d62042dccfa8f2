import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError } from '../../src/errors.ts'
import type { Attributes, DirectoryEntry } from '../../src/fs/operations.ts'
import { encodeDirectoryPage } from '../../src/fuse/kernel/directory-page.ts'
import { encodeInit, negotiate } from '../../src/fuse/kernel/negotiation.ts'
import { FEATURE, REPLY_HEADER_SIZE } from '../../src/fuse/kernel/protocol.ts'
import {
  encodeAttributes,
  encodeEntry,
  encodeMissing,
  encodeStatx,
} from '../../src/fuse/kernel/replies.ts'
import { LONG_TIMEOUTS } from '../../src/fuse/timeouts.ts'

const ATTRIBUTES: Attributes = {
  ino: 0x1_0000_0003,
  mode: 0o100644,
  nlink: 2,
  uid: 1000,
  gid: 1001,
  rdev: 0x0012_3456,
  size: 2 ** 40,
  sectors: 77,
  atimeNs: 1_000_000_001n,
  mtimeNs: -1n,
  ctimeNs: 3_000_000_003n,
  btimeNs: 4_000_000_004n,
}

function payloadOf(reply: Buffer): Buffer {
  return reply.subarray(REPLY_HEADER_SIZE)
}

test('encodeAttributes() places fields as the kernel reads them', () => {
  const payload = payloadOf(encodeAttributes(ATTRIBUTES, LONG_TIMEOUTS))
  assert.equal(payload.length, 104)
  assert.equal(payload.readBigUInt64LE(0), 86_400n)
  assert.equal(payload.readBigUInt64LE(16), 0x1_0000_0003n)
  assert.equal(payload.readBigUInt64LE(24), 2n ** 40n)
  assert.equal(payload.readBigInt64LE(48), -1n, 'seconds before 1970')
  assert.equal(payload.readUInt32LE(68), 999_999_999, 'nanoseconds count forwards')
  assert.equal(payload.readUInt32LE(76), 0o100644)
})

test('encodeEntry() names the inode with generation 0', () => {
  const payload = payloadOf(encodeEntry(ATTRIBUTES, LONG_TIMEOUTS))
  assert.equal(payload.length, 128)
  assert.deepEqual(
    [0, 8, 16, 24, 40].map((at) => payload.readBigUInt64LE(at)),
    [0x1_0000_0003n, 0n, 86_400n, 86_400n, 0x1_0000_0003n],
  )
})

test('encodeMissing() names no inode but a time to keep that', () => {
  const payload = payloadOf(encodeMissing(LONG_TIMEOUTS))
  assert.equal(payload.readBigUInt64LE(0), 0n)
  assert.equal(payload.readBigUInt64LE(16), 86_400n)
})

test('encodeStatx() carries the time of birth and the device number', () => {
  const payload = payloadOf(encodeStatx(ATTRIBUTES, LONG_TIMEOUTS))
  assert.equal(payload.length, 288)
  assert.equal(payload.readBigInt64LE(32 + 80), 4n)
  assert.equal(payload.readUInt32LE(32 + 88), 4)
  assert.equal(payload.readUInt32LE(32 + 128), 0x234, 'major')
  assert.equal(payload.readUInt32LE(32 + 132), 0x156, 'minor')
})

const ENTRIES: readonly DirectoryEntry[] = [
  { name: '.', ino: 1, type: 0o040000, nextOffset: 1 },
  { name: 'x'.repeat(8), ino: 2, type: 0o100000, nextOffset: 2 },
  { name: '\u00ff'.repeat(255), ino: 3, type: 0o100000, nextOffset: 3 },
]

test('encodeDirectoryPage() pads names to 8 bytes and stops before what does not fit', () => {
  const sizes = [32, 32, 280]
  assert.equal(payloadOf(encodeDirectoryPage(ENTRIES, 4096)).length, 344)
  assert.equal(payloadOf(encodeDirectoryPage(ENTRIES, 344)).length, 344)
  assert.equal(payloadOf(encodeDirectoryPage(ENTRIES, 343)).length, 64)
  assert.equal(payloadOf(encodeDirectoryPage(ENTRIES, 31)).length, 0)
  const last = payloadOf(encodeDirectoryPage(ENTRIES, 4096)).subarray(-(sizes[2] ?? 0))
  assert.equal(last.readUInt32LE(16), 255)
  assert.equal(last.readUInt32LE(20), 8, 'DT_REG')
  assert.equal(last.toString('latin1', 24, 279), '\u00ff'.repeat(255))
})

test('encodeDirectoryPage() remembers exactly the entries that the kernel will look up', () => {
  const remembered: number[] = []
  const lookups = {
    timeouts: LONG_TIMEOUTS,
    remember: (ino: number) => {
      remembered.push(ino)
      return { ...ATTRIBUTES, ino }
    },
  }
  // Each entry takes 128 bytes more: 160, 160, 408.
  const payload = payloadOf(encodeDirectoryPage(ENTRIES, 160 + 160 + 407, lookups))
  assert.equal(payload.length, 320)
  assert.deepEqual(remembered, [2])
  assert.equal(payload.readBigUInt64LE(0), 0n, 'the dot is not looked up')
  assert.equal(payload.readBigUInt64LE(160), 2n)
})

test('encodeDirectoryPage() merely lists an entry that cannot be looked up', () => {
  const lookups = {
    timeouts: LONG_TIMEOUTS,
    remember: () => {
      throw new FsError('ESTALE', 'Gone')
    },
  }
  const payload = payloadOf(encodeDirectoryPage(ENTRIES, 4096, lookups))
  assert.equal(payload.length, 160 + 160 + 408)
  assert.equal(payload.readBigUInt64LE(160), 0n)
})

test('negotiate() takes only what is offered and wanted', () => {
  const offer = { major: 7, minor: 45, readaheadMax: 131_072, features: 0xffff_ffff }
  const all = negotiate(offer, { writebackCache: true })
  assert.equal(all?.writebackCache, true)
  assert.equal(all.features & (1 << 1), 0, 'locks stay in the kernel')
  assert.equal(negotiate(offer, { writebackCache: false })?.writebackCache, false)
  const few = negotiate({ ...offer, features: FEATURE.ASYNC_READ }, { writebackCache: true })
  assert.equal(few?.features, FEATURE.ASYNC_READ)
  assert.equal(few.writebackCache, false)
})

test('negotiate() lets ids be mapped if it is told to, and the kernel can', () => {
  const offer = { major: 7, minor: 45, readaheadMax: 131_072, features: 0xffff_ffff }
  const capable = { ...offer, moreFeatures: 0xffff_ffff }
  assert.equal(negotiate(capable, { writebackCache: true })?.moreFeatures, 0)
  const agreement = negotiate(capable, { writebackCache: true, allowIdmap: true })
  assert.equal(payloadOf(encodeInit(agreement)).readUInt32LE(32), 1 << 8)
  assert.throws(() => negotiate(offer, { writebackCache: true, allowIdmap: true }), {
    code: 'EOPNOTSUPP',
  })
})

test('negotiate() refuses old kernels and has newer ones ask again', () => {
  const offer = { major: 7, minor: 30, readaheadMax: 0, features: 0 }
  assert.throws(() => negotiate(offer, { writebackCache: true }), { code: 'EPROTO' })
  assert.throws(() => negotiate({ ...offer, major: 6, minor: 99 }, { writebackCache: true }), {
    code: 'EPROTO',
  })
  assert.equal(negotiate({ ...offer, major: 8 }, { writebackCache: true }), undefined)
  const payload = payloadOf(encodeInit(undefined))
  assert.equal(payload.length, 64)
  assert.equal(payload.readUInt32LE(0), 7)
})
