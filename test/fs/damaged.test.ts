/** Volumes whose parts contradict each other, with right checksums: errors, and nothing made worse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DeviceImage, MemoryDevice } from '../../src/device/memory-device.ts'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { encodeRecord, measureRecord } from '../../src/journal/record.ts'
import * as keys from '../../src/store/keys.ts'
import { decodeMarker, encodeMarker } from '../../src/store/marker.ts'
import type { Op } from '../../src/store/ops.ts'
import { volumeMark } from '../../src/volume/open.ts'
import { chooseSuperblock } from '../../src/store/superblock.ts'
import { openValue } from '../../src/store/metadata.ts'
import * as edit from '../check/edit-image.ts'
import * as v from '../support/volume.ts'
import {
  TIMEOUT,
  directory,
  fileWith,
  namesIn,
  openFile,
  refuses,
  renameRequest,
  text,
} from './fixture.ts'

interface Made {
  readonly image: DeviceImage
  readonly a: number
  readonly b: number
  readonly folder: number
  readonly below: number
}

const CONTENT = 'x'.repeat(3 * BLOCK_SIZE)

/** Two files and two directories, closed in order. */
async function made(): Promise<Made> {
  const { fs, device } = await v.freshFilesystem()
  const a = await fileWith(fs, 'a', CONTENT)
  const b = await fileWith(fs, 'b', 'content of b')
  const folder = await directory(fs, 'folder')
  const below = await directory(fs, 'below', folder)
  await fs.finish()
  return { image: device.image(), a, b, folder, below }
}

async function open(image: DeviceImage) {
  const device = new MemoryDevice(image, { blockCountMax: image.blockCount + 500 })
  return { ...(await v.openTestFilesystem(device)), device }
}

test('a directory that lies in itself does not stop a rename for ever', TIMEOUT, async () => {
  const { image, folder, below } = await made()
  const { fs } = await open(edit.withInode(image, folder, { parent: below }))
  await directory(fs, 'other')
  const request = renameRequest('other', 'moved', { newParent: below })
  await refuses('EIO', () => fs.rename(request))
})

test('a file that has a name is not freed because it is listed as an orphan', TIMEOUT, async () => {
  const { image, a } = await made()
  const listed = edit.withBody(image, keys.orphanKey(a), (body) => body)
  const { fs, device } = await open(listed)
  await fs.finish()
  assert.equal(await text((await open(device.image())).fs, a), CONTENT)
})

test('the own map of a file is not freed because it is listed as pending', TIMEOUT, async () => {
  const { image, a } = await made()
  const listed = edit.withBody(image, keys.pendingMapKey(a, 0), (body) => body)
  const { fs, device } = await open(listed)
  await fs.finish()
  assert.equal(await text((await open(device.image())).fs, a), CONTENT)
})

test('a block that is free and mapped is neither freed nor written', TIMEOUT, async () => {
  const { image, a, b } = await made()
  const cleared = edit.withBody(image, keys.bitmapKey(0), (body) => body.fill(0))
  // The marker agrees, or the volume would be read-only from the start.
  const damaged = edit.withBody(cleared, keys.MARKER_KEY, (body) => {
    const marker = decodeMarker(body)
    return encodeMarker({ ...marker, freeCount: marker.blockCount })
  })
  const { fs, volume, device } = await open(damaged)
  const fh = await openFile(fs, a)
  await fs.write(fh, v.writeRequest(0, Buffer.from('new')))
  await refuses('EIO', () => fs.fsync(fh))
  await refuses('EIO', () => fs.fsync(fh))
  await refuses('EIO', () => fs.setAttributes(b, { size: 0 }))
  assert.equal(volume.engine.health.failed, false)
  // Nothing of it is in the ring, so that the volume can be opened again.
  const again = await open(device.image())
  assert.equal(await text(again.fs, a), CONTENT)
  assert.equal(await text(again.fs, b), 'content of b')
})

test('an inode that counts less than it has is an error of the volume', TIMEOUT, async () => {
  const { image, b } = await made()
  for (const damaged of [
    edit.withInode(image, v.ROOT, { entryCount: 0 }),
    edit.withInode(image, b, { nlink: 0 }),
  ]) {
    const { fs, volume } = await open(damaged)
    await refuses('EIO', () => fs.unlink(v.ROOT, 'b'))
    assert.equal(volume.engine.health.failed, false)
    assert.equal((await fs.getAttributes(b)).size, 'content of b'.length)
  }
})

test('inode numbers that would be given twice make the volume read-only', TIMEOUT, async () => {
  const { image, a } = await made()
  const damaged = edit.withBody(image, keys.MARKER_KEY, (body) =>
    encodeMarker({ ...decodeMarker(body), nextIno: a }),
  )
  const { fs, volume } = await open(damaged)
  assert.match(volume.report.damage ?? '', /inode/)
  await refuses('EROFS', () => fs.makeDirectory(v.ROOT, 'new', 0o755, v.CALLER))
  assert.deepEqual(await namesIn(fs, v.ROOT), ['a', 'b', 'folder'])
})

/** The image with one commit in its ring. */
function withCommit(image: DeviceImage, op: Op): DeviceImage {
  const marker = decodeMarker(
    openValue(keys.MARKER_KEY, image.index.get(keys.MARKER_KEY) ?? Buffer.alloc(0)),
  )
  const { commitSeq, ringPosition: position, epoch } = marker
  const bytes = Buffer.alloc(measureRecord([op]).blockCount * BLOCK_SIZE)
  const volume = volumeMark(chooseSuperblock('test', image.superblocks))
  const header = { position, epoch, volume, durableSeq: commitSeq, checkpointSeq: commitSeq }
  encodeRecord({ ...header, commitSeq: commitSeq + 1, timeNs: 0n, partsLeft: 0 }, [op], bytes)
  const first = position % image.ringBlockCount
  return edit.withBlock(image, 'ring', first, () => bytes.subarray(0, BLOCK_SIZE))
}

test('a commit that takes a block of another file is not replayed', TIMEOUT, async () => {
  const { image, a, b } = await made()
  const place = { ino: b, generation: 0, fileBlock: 0 }
  const stolen = edit.leafIn(image, a).block(1)
  const checksums = Uint32Array.of(5)
  const ops: Op[] = [
    { type: 'remap', ...place, block: stolen, checksums },
    { type: 'remap', ...place, block: 0, checksums },
    { type: 'remap', ...place, block: 4_000_000_000, checksums },
    { type: 'unmap', ...place, count: 0xffff_ffff },
    { type: 'move', ...place, block: 0, checksums },
    { type: 'move', ...place, block: 4_000_000_000, checksums },
    { type: 'vacate', ...place, count: 0xffff_ffff },
    { type: 'put', key: 'I', body: Buffer.alloc(5) },
    { type: 'put', key: keys.MARKER_KEY, body: Buffer.alloc(5) },
  ]
  for (const op of ops) {
    await refuses('EIO', () => open(withCommit(image, op)))
  }
  const harmless: Op = { type: 'unmap', ...place, count: 1 }
  await open(withCommit(image, harmless))
})
