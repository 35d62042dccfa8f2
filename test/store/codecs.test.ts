/** Every codec: what it wrote it reads, and garbage is a value or an FsError, nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { FsError } from '../../src/errors.ts'
import {
  decodeDirent,
  decodeInode,
  encodeDirent,
  encodeInode,
  newInode,
} from '../../src/store/inode.ts'
import { LEAF_BLOCKS, Leaf, decodeLeaf, encodeLeaf } from '../../src/store/leaf.ts'
import { decodeMarker, encodeMarker } from '../../src/store/marker.ts'
import { openValue, sealValue } from '../../src/store/metadata.ts'
import * as superblocks from '../../src/store/superblock.ts'
import { RUN, counter, inode, latin1, u32 } from './arbitraries.ts'

function assertOnlyFsError(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof FsError, String(error))
  }
}

test('an inode comes back as it was', RUN, () => {
  fc.assert(
    fc.property(inode(), (fields) => {
      assert.deepEqual(decodeInode(fields.ino, encodeInode(fields)), fields)
    }),
  )
})

test('a dirent comes back as it was', RUN, () => {
  const dirent = fc.record(
    { ino: counter(), type: fc.nat(0xffff), cookie: counter() },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(dirent, (fields) => {
      assert.deepEqual(decodeDirent(encodeDirent(fields)), fields)
    }),
  )
})

test('a marker comes back as it was', RUN, () => {
  const marker = fc.record(
    {
      commitSeq: counter(),
      ringPosition: counter(),
      epoch: fc.nat(0xffff_fffe),
      blockCount: fc.nat(2 ** 32),
      freeCount: fc.nat(2 ** 32),
      nextIno: counter(),
      clean: fc.boolean(),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(marker, (fields) => {
      assert.deepEqual(decodeMarker(encodeMarker(fields)), fields)
    }),
  )
})

const slot = fc.tuple(fc.nat(LEAF_BLOCKS - 1), fc.oneof(fc.nat(80), u32()), u32())

test('a leaf comes back as it was', RUN, () => {
  fc.assert(
    fc.property(fc.array(slot, { maxLength: 100 }), (slots) => {
      const leaf = new Leaf()
      for (const [at, block, checksum] of slots) leaf.set(at, block, block === 0 ? 0 : checksum)
      const decoded = decodeLeaf(encodeLeaf(leaf))
      assert.deepEqual(decoded.slots, leaf.slots)
      assert.equal(decoded.mappedCount, leaf.mappedCount)
      assert.equal(leaf.mappedCount, leaf.slots.subarray(0, LEAF_BLOCKS).filter(Boolean).length)
    }),
  )
})

test('garbage is never another error than FsError, and a leaf of it counts right', RUN, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assertOnlyFsError(() => decodeInode(1, bytes))
      assertOnlyFsError(() => decodeDirent(bytes))
      assertOnlyFsError(() => decodeMarker(bytes))
      assertOnlyFsError(() => superblocks.decodeSuperblock(bytes))
      assertOnlyFsError(() => openValue('key', bytes))
      assertOnlyFsError(() => {
        const leaf = decodeLeaf(bytes)
        assert.equal(leaf.mappedCount, leaf.slots.subarray(0, LEAF_BLOCKS).filter(Boolean).length)
      })
    }),
  )
})

test('a run that would pass the last block number is no leaf', RUN, () => {
  const body = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])
  assert.throws(() => decodeLeaf(body), FsError)
})

test('numbers that the program could not go on from are refused', RUN, () => {
  const inodeBody = encodeInode(newInode(7, 0o100644, 0n))
  const offsets = { mode: 2, nlink: 12, mapGeneration: 24, size: 28, blockCount: 36, commitSeq: 76 }
  for (const at of [...Object.values(offsets), 20, 84, 92, 100]) {
    const length = at < 28 ? 4 : 7
    const body = Buffer.from(inodeBody).fill(0xff, at, at === 2 ? 4 : at + length)
    assert.throws(() => decodeInode(7, body), { code: 'EIO' }, `offset ${at}`)
  }
  const marker = encodeMarker({ commitSeq: 1, ringPosition: 1, epoch: 1, blockCount: 1, freeCount: 1, nextIno: 2, clean: true }) // prettier-ignore
  for (const at of [0, 8, 16, 20, 28, 36]) {
    const body = Buffer.from(marker).fill(0xff, at, at + (at === 16 ? 4 : 7))
    assert.throws(() => decodeMarker(body), { code: 'EIO' }, `offset ${at}`)
  }
})

test('a cut record is refused', RUN, () => {
  fc.assert(
    fc.property(inode(), fc.nat(), (fields, cut) => {
      const body = encodeInode(fields)
      assert.throws(() => decodeInode(1, body.subarray(0, cut % body.length)), FsError)
    }),
  )
})

test('a sealed value opens under its own key only, and with no bit changed', RUN, () => {
  fc.assert(
    fc.property(latin1(), fc.uint8Array(), fc.nat(), (key, body, at) => {
      const value = sealValue(key, body)
      assert.deepEqual(Uint8Array.from(openValue(key, value)), body)
      assert.throws(() => openValue(`${key}x`, value), FsError)
      const bit = at % (value.length * 8)
      const flipped = value.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      assert.throws(() => openValue(key, flipped), FsError)
    }),
  )
})

const superblock = fc
  .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(1 << 20), fc.bigInt(0n, 2n ** 62n))
  .map(([uuid, ringBlocks, createdNs]) => superblocks.newSuperblock(uuid, ringBlocks, createdNs))

test('a superblock comes back as it was, or is known to be damaged', RUN, () => {
  fc.assert(
    fc.property(superblock, fc.nat(BLOCK_SIZE * 8 - 1), (fields, bit) => {
      const block = superblocks.encodeSuperblock(fields)
      assert.equal(block.length, BLOCK_SIZE)
      assert.deepEqual(superblocks.decodeSuperblock(block), fields)
      block[bit >> 3] = (block[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(typeof superblocks.decodeSuperblock(block), 'string')
    }),
  )
})

const generationOf = (...found: Uint8Array[]): number =>
  superblocks.chooseSuperblock('v', found).generation

test('chooseSuperblock() takes the newest copy, and says what it found instead', RUN, () => {
  const fields = superblocks.newSuperblock(new Uint8Array(16), 256, 0n)
  const copies = [1, 2].map((generation) => ({ ...fields, generation }))
  const [older, newer] = copies.map(superblocks.encodeSuperblock)
  assert.ok(older !== undefined && newer !== undefined)
  const damaged = Buffer.from(newer)
  damaged[100] = 1
  const zero = new Uint8Array(BLOCK_SIZE)
  assert.equal(generationOf(older, newer), 2)
  assert.equal(generationOf(newer, older), 2)
  assert.equal(generationOf(damaged, older), 1)
  assert.equal(generationOf(zero, older), 1)
  assert.throws(() => generationOf(zero, zero), /never finished/)
  assert.throws(() => generationOf(damaged, zero), /damaged/)
  assert.throws(() => generationOf(Buffer.alloc(BLOCK_SIZE, 7), zero), /does not begin with/)
})

test('checkFeatures() reads what it knows and refuses the rest', RUN, () => {
  const fields = superblocks.newSuperblock(new Uint8Array(16), 256, 0n)
  const check = (changes: Partial<superblocks.Superblock>): string =>
    superblocks.checkFeatures('v', { ...fields, ...changes })
  assert.equal(check({ formatMinor: 99, compatible: 0xff }), 'read-write')
  assert.equal(check({ readOnlyCompatible: 1 << 31 }), 'read-only')
  assert.throws(() => check({ incompatible: 0b11 }), FsError)
  assert.throws(() => check({ formatMajor: superblocks.FORMAT_MAJOR + 1 }), FsError)
})
