/**
 * Edits of a volume's image as byte strings, so that inputs can be mutated, stored and made smaller:
 *
 *   V keySize1 key body    the value of a key of the index, sealed
 *   W keySize1 key value   the same, as it is
 *   D key                  deletes a key
 *   R block2 header        the header blocks of a ring record, sealed
 *   P block2 byte2         flips bits of a byte of a ring block
 *   S fields               the superblock, both copies, sealed
 *   B block2 byte2         flips bits of a byte of a data block
 */
import { crc32c } from '../../../src/crc32c.ts'
import { BLOCK_SIZE } from '../../../src/device/device.ts'
import type { DeviceImage } from '../../../src/device/memory-device.ts'
import { sealValue } from '../../../src/store/metadata.ts'
import type { Input } from '../kit/target.ts'

type Draft = {
  -readonly [Key in keyof DeviceImage]: DeviceImage[Key]
} & { index: Map<string, Uint8Array> }

const code = (bytes: Uint8Array): string => String.fromCharCode(bytes[0] ?? 0)

export function valueEdit(kind: 'V' | 'W', key: string, body: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from(kind),
    Buffer.from([key.length]),
    Buffer.from(key, 'latin1'),
    body,
  ])
}

export const deleteEdit = (key: string): Uint8Array => Buffer.from(`D${key}`, 'latin1')

export function recordEdit(block: number, header: Uint8Array): Uint8Array {
  const end = header.findLastIndex((byte) => byte !== 0) + 1
  return Buffer.concat([Buffer.from([0x52, block & 0xff, block >> 8]), header.subarray(0, end)])
}

export const superblockEdit = (fields: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from('S'), fields])

export function flipEdit(kind: 'P' | 'B', block: number, byte: number): Uint8Array {
  return Buffer.from([kind.charCodeAt(0), block & 0xff, block >> 8, byte & 0xff, byte >> 8])
}

/** The image with all edits done, in order; what is no edit is passed over. */
export function applyEdits(image: DeviceImage, edits: Input): DeviceImage {
  const draft: Draft = {
    ...image,
    index: new Map(image.index),
    ring: new Map(image.ring),
    blocks: new Map(image.blocks),
  }
  for (const edit of edits) applyEdit(draft, Buffer.from(edit))
  return draft
}

function applyEdit(draft: Draft, edit: Buffer): void {
  switch (code(edit)) {
    case 'V':
    case 'W':
      editValue(draft, edit)
      break
    case 'D':
      draft.index.delete(edit.subarray(1).toString('latin1'))
      break
    case 'R':
      if (edit.length > 3) editRecord(draft, edit)
      break
    case 'S':
      editSuperblock(draft, edit.subarray(1))
      break
    case 'P':
      if (edit.length >= 5) flip(draft.ring, edit)
      break
    case 'B':
      if (edit.length >= 5) flip(draft.blocks, edit)
      break
    default:
  }
}

function editValue(draft: Draft, edit: Buffer): void {
  const keyEnd = 2 + (edit[1] ?? 0)
  if (keyEnd > edit.length) return
  const key = edit.subarray(2, keyEnd).toString('latin1')
  const body = edit.subarray(keyEnd)
  draft.index.set(key, code(edit) === 'V' ? sealValue(key, body) : Uint8Array.from(body))
}

function editRecord(draft: Draft, edit: Buffer): void {
  const start = edit.readUInt16LE(1)
  const bytes = edit.subarray(3)
  const blockCount = Math.ceil(bytes.length / BLOCK_SIZE)
  if (start + blockCount > draft.ringBlockCount) return
  const header = Buffer.alloc(blockCount * BLOCK_SIZE)
  header.set(bytes)
  const headerBlocks = Math.max(1, Math.min(header.readUInt32LE(32), blockCount))
  header.writeUInt32LE(crc32c(header.subarray(8, headerBlocks * BLOCK_SIZE)), 4)
  for (let i = 0; i < blockCount; i++) {
    draft.ring.set(start + i, header.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE))
  }
}

function editSuperblock(draft: Draft, fields: Buffer): void {
  const block = Buffer.alloc(BLOCK_SIZE)
  block.set(fields.subarray(0, BLOCK_SIZE))
  block.writeUInt32LE(crc32c(block.subarray(12)), 8)
  draft.superblocks = [block, block]
}

function flip(blocks: Map<number, Uint8Array>, edit: Buffer): void {
  const block = edit.readUInt16LE(1)
  const before = blocks.get(block)
  if (before === undefined) return
  const at = edit.readUInt16LE(3) % BLOCK_SIZE
  blocks.set(block, before.with(at, (before[at] ?? 0) ^ 0x21))
}
