/** Decoders of what a volume holds: each returns what the program can work with, or an FsError. */
import assert from 'node:assert/strict'
import { describeKey } from '../../../src/store/describe-key.ts'
import { BLOCK_SIZE } from '../../../src/device/device.ts'
import * as inodes from '../../../src/store/inode.ts'
import { inodeKey, isWellFormed, leafKey, u64FromKey } from '../../../src/store/keys.ts'
import { LEAF_BLOCKS, decodeLeaf, encodeLeaf } from '../../../src/store/leaf.ts'
import { decodeMarker, encodeMarker } from '../../../src/store/marker.ts'
import { openValue, sealValue } from '../../../src/store/metadata.ts'
import * as superblocks from '../../../src/store/superblock.ts'
import { crc32c } from '../../../src/crc32c.ts'
import { Allocator } from '../../../src/store/allocator.ts'
import { GROUP_BLOCKS } from '../../../src/store/bitmap.ts'
import { MemoryDevice, emptyImage } from '../../../src/device/memory-device.ts'
import type { Random } from '../../support/random.ts'
import { type Target, refusable } from '../kit/target.ts'
import * as values from './values.ts'

/** A counter may still be raised a few times. */
const COUNTER_MAX = Number.MAX_SAFE_INTEGER - 1000
const BLOCKS_MAX = 2 ** 32

interface Codec {
  readonly name: string
  readonly encode: (random: Random) => Uint8Array
  readonly check: (bytes: Uint8Array) => void
  readonly seal?: (bytes: Uint8Array) => Uint8Array
}

function target({ name, encode, check, seal }: Codec): Target {
  return {
    name,
    weight: 1,
    generate: (random) => [encode(random)],
    ...(seal !== undefined && { seal: ([bytes = Buffer.alloc(0)]) => [seal(bytes)] }),
    run: ([bytes = Buffer.alloc(0)]) => {
      refusable(() => {
        check(bytes)
      })
    },
  }
}

function checkInode(bytes: Uint8Array): void {
  const inode = inodes.decodeInode(7, bytes)
  assert.ok(inode.mode <= 0xffff, 'a mode has 16 bits')
  assert.ok(inode.size <= BLOCKS_MAX * BLOCK_SIZE, 'all blocks of the size have numbers')
  assert.ok(inode.blockCount <= BLOCKS_MAX, 'the blocks have numbers')
  for (const counter of [inode.commitSeq, inode.parent, inode.entryCount, inode.cookieNext]) {
    assert.ok(counter <= COUNTER_MAX, 'a counter can be raised')
  }
  assert.ok(inode.nlink < 0xffff_ffff && inode.mapGeneration < 0xffff_ffff)
  assert.deepEqual(inodes.decodeInode(7, inodes.encodeInode(inode)), inode)
}

function checkMarker(bytes: Uint8Array): void {
  const marker = decodeMarker(bytes)
  const { commitSeq, ringPosition, nextIno, epoch, blockCount, freeCount } = marker
  for (const counter of [commitSeq, ringPosition, nextIno]) assert.ok(counter <= COUNTER_MAX)
  assert.ok(epoch < 0xffff_ffff, 'there is a next epoch')
  assert.ok(blockCount <= BLOCKS_MAX && freeCount <= BLOCKS_MAX)
  assert.deepEqual(decodeMarker(encodeMarker(marker)), marker)
}

function checkSuperblock(bytes: Uint8Array): void {
  const decoded = superblocks.decodeSuperblock(bytes)
  if (typeof decoded === 'string') return
  assert.deepEqual(superblocks.decodeSuperblock(superblocks.encodeSuperblock(decoded)), decoded)
  superblocks.checkFeatures('test', superblocks.chooseSuperblock('test', [bytes, bytes]))
}

function sealSuperblock(bytes: Uint8Array): Uint8Array {
  const block = Buffer.alloc(BLOCK_SIZE)
  block.set(bytes.subarray(0, BLOCK_SIZE))
  block.writeUInt32LE(crc32c(block.subarray(12)), 8)
  return block
}

function checkLeaf(bytes: Uint8Array): void {
  const leaf = decodeLeaf(bytes)
  const blocks = leaf.slots.subarray(0, LEAF_BLOCKS).filter((block) => block !== 0)
  assert.equal(leaf.mappedCount, blocks.length)
  assert.deepEqual(decodeLeaf(encodeLeaf(leaf)).slots, leaf.slots)
}

const KEY = 'I\0\0\0\0\0\0\0\x07'

function sealLast(bytes: Uint8Array): Uint8Array {
  return sealValue(KEY, bytes.subarray(5))
}

function checkKey(bytes: Uint8Array): void {
  const key = Buffer.from(bytes).toString('latin1')
  const { ino } = describeKey(key)
  if (!isWellFormed(key) || ino === undefined) return
  assert.ok(Number.isSafeInteger(ino), 'the inode of a key is a number that exists')
  if (key.length === 9) assert.equal(u64FromKey(key, 1), ino)
}

const device = new MemoryDevice(emptyImage(256), { blockCountMax: 4096 })

function checkBitmap(bytes: Uint8Array): void {
  const input = Buffer.from(bytes)
  if (input.length < 4) return
  const allocator = new Allocator(device.blocks)
  allocator.load(input.readUInt32LE(), input.subarray(4))
  assert.ok(allocator.mappedCount <= device.blocks.blockCount)
  assert.ok(allocator.availableCount >= 0)
}

function encodeGroup(random: Random): Uint8Array {
  const group = Buffer.alloc(4 + GROUP_BLOCKS / 8)
  group.writeUInt32LE(random.oneIn(2) ? 0 : values.number32(random))
  if (random.oneIn(2)) group.set(random.bytes(8), random.oneIn(2) ? 4 : 4 + random.int(4000))
  return group
}

export const storeCodecs: readonly Target[] = [
  {
    name: 'inode',
    encode: (r: Random) => inodes.encodeInode(values.inode(r, 7)),
    check: checkInode,
  },
  {
    name: 'dirent',
    encode: (r: Random) =>
      inodes.encodeDirent({ ino: r.int(99), type: 0o100000, cookie: r.int(99) }),
    check: (bytes: Uint8Array) => {
      const dirent = inodes.decodeDirent(bytes)
      assert.ok(Math.max(dirent.ino, dirent.cookie) <= COUNTER_MAX)
      assert.deepEqual(inodes.decodeDirent(inodes.encodeDirent(dirent)), dirent)
    },
  },
  {
    name: 'marker',
    encode: (r: Random) =>
      encodeMarker({
        commitSeq: r.int(99),
        ringPosition: r.int(999),
        epoch: 1 + r.int(9),
        blockCount: 99,
        freeCount: r.int(99),
        nextIno: r.int(99),
        clean: r.oneIn(2),
      }),
    check: checkMarker,
  },
  {
    name: 'superblock',
    encode: (r: Random) =>
      superblocks.encodeSuperblock(superblocks.newSuperblock(r.bytes(16), 256, values.time(r))),
    check: checkSuperblock,
    seal: sealSuperblock,
  },
  { name: 'leaf', encode: (r: Random) => encodeLeaf(values.leaf(r, 200)), check: checkLeaf },
  {
    name: 'value',
    encode: (r: Random) => sealValue(KEY, r.bytes(r.int(50))),
    check: (bytes: Uint8Array) => {
      assert.equal(openValue(KEY, bytes).length, bytes.length - 5)
    },
    seal: sealLast,
  },
  {
    name: 'key',
    encode: (r: Random) =>
      Buffer.from(r.oneIn(2) ? inodeKey(r.int(9)) : leafKey(r.int(9), 0, r.int(9)), 'latin1'),
    check: checkKey,
  },
  { name: 'bitmap', encode: encodeGroup, check: checkBitmap },
].map(target)
