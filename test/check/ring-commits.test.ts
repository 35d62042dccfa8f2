/**
 * Commits in the ring whose checksums are right and which no volume could have made: recovery refuses
 * them, check says so, and a repair leaves a volume that is in order.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { type DeviceImage, MemoryDevice } from '../../src/device/memory-device.ts'
import { encodeRecord, measureRecord } from '../../src/journal/record.ts'
import { repairStructure } from '../../src/repair/repair-structure.ts'
import { RepairReport } from '../../src/repair/report.ts'
import { type Ino, decodeInode, encodeInode } from '../../src/store/inode.ts'
import { MARKER_KEY, inodeKey, leafKey, pendingMapKey } from '../../src/store/keys.ts'
import { decodeLeaf } from '../../src/store/leaf.ts'
import { decodeMarker } from '../../src/store/marker.ts'
import { openValue } from '../../src/store/metadata.ts'
import type { Op } from '../../src/store/ops.ts'
import { chooseSuperblock } from '../../src/store/superblock.ts'
import { volumeMark } from '../../src/volume/open.ts'
import * as v from '../support/volume.ts'
import { closedVolume } from './populated.ts'

function bodyOf(image: DeviceImage, key: string): Uint8Array {
  return openValue(key, image.index.get(key) ?? new Uint8Array(0))
}

/** The volume with one more commit in its ring. */
function withCommit(image: DeviceImage, ops: readonly Op[]): DeviceImage {
  const { commitSeq, ringPosition: position, epoch } = decodeMarker(bodyOf(image, MARKER_KEY))
  const record = Buffer.alloc(measureRecord(ops).blockCount * BLOCK_SIZE)
  const volume = volumeMark(chooseSuperblock('test', image.superblocks))
  const seqs = { commitSeq: commitSeq + 1, durableSeq: commitSeq, checkpointSeq: commitSeq }
  encodeRecord({ ...seqs, position, epoch, volume, timeNs: 0n, partsLeft: 0 }, ops, record)
  const device = new MemoryDevice(image)
  device.ring.write(position % image.ringBlockCount, record)
  return device.image()
}

/** What a file maps at its first block. */
function firstOf(image: DeviceImage, ino: Ino): { block: number; checksums: Uint32Array } {
  const { mapGeneration } = decodeInode(ino, bodyOf(image, inodeKey(ino)))
  const leaf = decodeLeaf(bodyOf(image, leafKey(ino, mapGeneration, 0)))
  return { block: leaf.block(0), checksums: Uint32Array.of(leaf.checksum(0)) }
}

interface Files {
  readonly image: DeviceImage
  readonly small: Ino
  readonly linked: Ino
  /** A block that nobody has. */
  readonly free: number
}

async function files(): Promise<Files> {
  const { image: closed, inos } = await closedVolume()
  // A block behind the end of all others: the block file may be longer than the volume says.
  const image = { ...closed, blockCount: closed.blockCount + 1 }
  const [small, linked] = [inos.get('small') ?? 0, inos.get('linked') ?? 0]
  return { image, small, linked, free: closed.blockCount }
}

const ZEROS = Uint32Array.of(0x98f9_4189)

interface Case {
  readonly what: string
  readonly expected: RegExp
  readonly ops: (files: Files) => Op[]
}

const CASES: readonly Case[] = [
  {
    what: 'a move of a block that another file keeps',
    expected: /block \d+ is moved and leaves no other place/,
    ops: ({ image, small, linked }) => [
      { type: 'move', ino: small, generation: 0, fileBlock: 1, ...firstOf(image, linked) },
    ],
  },
  {
    what: 'a move of a block that nobody has',
    expected: /block \d+ is moved and/,
    ops: ({ small, free }) => [
      { type: 'move', ino: small, generation: 0, fileBlock: 0, block: free, checksums: ZEROS },
    ],
  },
  {
    what: 'a block that leaves a file for nowhere',
    expected: /block \d+ is moved and comes to no other place/,
    ops: ({ small }) => [{ type: 'vacate', ino: small, generation: 0, fileBlock: 0, count: 1 }],
  },
  {
    what: 'a block for an inode that does not exist',
    expected: /inode 4000 is mapped and does not exist/,
    ops: ({ free }) => [
      { type: 'remap', ino: 4000, generation: 0, fileBlock: 0, block: free, checksums: ZEROS },
    ],
  },
  {
    what: 'a block for a generation that its file does not have',
    expected: /generation 1 of inode \d+ is mapped, and its own is 0/,
    ops: ({ small, free }) => [
      { type: 'remap', ino: small, generation: 1, fileBlock: 0, block: free, checksums: ZEROS },
    ],
  },
  {
    what: 'a page for a generation that is pending',
    expected: /generation 1 of inode \d+ is mapped, and its own is 0/,
    ops: ({ image, small }) => [
      { type: 'put', key: pendingMapKey(small, 1), body: new Uint8Array(0) },
      {
        type: 'page',
        ino: small,
        generation: 1,
        fileBlock: 0,
        block: firstOf(image, small).block,
        checksum: ZEROS[0] ?? 0,
        data: Buffer.alloc(BLOCK_SIZE),
      },
    ],
  },
  {
    what: 'a block behind the end of its file',
    expected: /inode \d+ is mapped behind its end at 100/,
    ops: ({ small, free }) => [
      { type: 'remap', ino: small, generation: 0, fileBlock: 1, block: free, checksums: ZEROS },
    ],
  },
]

async function findings(device: MemoryDevice): Promise<string[]> {
  const report = await checkVolume(device, 'test', { data: true })
  return report.findings.map(({ invariant, message }) => `${invariant} ${message}`)
}

describe('recovery', () => {
  for (const { what, expected, ops } of CASES) {
    test(`refuses ${what}`, async () => {
      const all = await files()
      const image = withCommit(all.image, ops(all))
      const found = (await findings(new MemoryDevice(image))).filter((line) =>
        line.startsWith('F4'),
      )
      assert.equal(found.length, 1)
      assert.match(found[0] ?? '', expected)
      const device = new MemoryDevice(image)
      await assert.rejects(v.openTestFilesystem(device), (error: Error) => {
        assert.match(
          error.message,
          /its ring and its index contradict each other; run: oatomic check/,
        )
        assert.match(String(error.cause), expected)
        return true
      })
      assert.deepEqual(device.image().index, image.index)
      await repairStructure(device, 'test', new RepairReport(), { dryRun: false })
      assert.deepEqual(
        (await findings(device)).filter((line) => !line.startsWith('F25')),
        [],
      )
      await v.openTestFilesystem(device)
    })
  }

  test('takes an exchange, and what comes to its file by way of another', async () => {
    const { image, small, linked, free } = await files()
    const inode = decodeInode(linked, bodyOf(image, inodeKey(linked)))
    const data = Buffer.alloc(BLOCK_SIZE)
    const [a, b] = [firstOf(image, small), firstOf(image, linked)]
    const exchanged = withCommit(image, [
      // Behind the end of the file, until it is moved.
      { type: 'page', ino: small, generation: 0, fileBlock: 1, block: free, checksum: ZEROS[0] ?? 0, data }, // prettier-ignore
      { type: 'put', key: inodeKey(linked), body: encodeInode({ ...inode, size: 3 * BLOCK_SIZE, blockCount: 3 }) }, // prettier-ignore
      { type: 'move', ino: small, generation: 0, fileBlock: 0, ...b },
      { type: 'move', ino: linked, generation: 0, fileBlock: 0, ...a },
      { type: 'move', ino: linked, generation: 0, fileBlock: 2, block: free, checksums: ZEROS },
      { type: 'vacate', ino: small, generation: 0, fileBlock: 1, count: 1 },
    ])
    const found = await findings(new MemoryDevice(exchanged))
    // The first file ends in the middle of what was the other's block.
    assert.deepEqual(
      found.filter((line) => !line.startsWith('F26')),
      [],
    )
    await v.openTestFilesystem(new MemoryDevice(exchanged))
  })
})
