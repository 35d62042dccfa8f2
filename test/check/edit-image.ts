/** Damages images of volumes. Every edit makes a new image. */
import { BLOCK_SIZE } from '../../src/device/device.ts'
import type { DeviceImage } from '../../src/device/memory-device.ts'
import { invariant } from '../../src/errors.ts'
import { type Inode, decodeInode, encodeInode } from '../../src/store/inode.ts'
import { inodeKey, leafKey } from '../../src/store/keys.ts'
import { type Leaf, decodeLeaf, encodeLeaf } from '../../src/store/leaf.ts'
import { openValue, sealValue } from '../../src/store/metadata.ts'
import { type Superblock, decodeSuperblock, encodeSuperblock } from '../../src/store/superblock.ts'

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes)
  const at = Math.floor(bit / 8)
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit % 8))
  return flipped
}

export function withSuperblock(
  image: DeviceImage,
  copies: readonly (0 | 1)[],
  edit: (block: Uint8Array) => Uint8Array,
): DeviceImage {
  const superblocks: [Uint8Array, Uint8Array] = [...image.superblocks]
  for (const copy of copies) superblocks[copy] = edit(superblocks[copy])
  return { ...image, superblocks }
}

/** The same in both copies. */
export function withSuperblockFields(image: DeviceImage, fields: Partial<Superblock>): DeviceImage {
  return withSuperblock(image, [0, 1], (block) => {
    const decoded = decodeSuperblock(block)
    invariant(typeof decoded === 'object', 'the superblock to edit is valid')
    return encodeSuperblock({ ...decoded, ...fields })
  })
}

/** Replaces the stored value of a key, or deletes it. */
export function withValue(
  image: DeviceImage,
  key: string,
  edit: (value: Uint8Array) => Uint8Array | undefined,
): DeviceImage {
  const index = new Map(image.index)
  const value = edit(index.get(key) ?? new Uint8Array(0))
  if (value === undefined) index.delete(key)
  else index.set(key, value)
  return { ...image, index }
}

/** Replaces the body of a key, with the right checksum. */
export function withBody(
  image: DeviceImage,
  key: string,
  edit: (body: Uint8Array) => Uint8Array,
): DeviceImage {
  return withValue(image, key, (value) => {
    const body = value.length === 0 ? value : openValue(key, value)
    return sealValue(key, edit(Uint8Array.from(body)))
  })
}

export function withInode(image: DeviceImage, ino: number, fields: Partial<Inode>): DeviceImage {
  return withBody(image, inodeKey(ino), (body) =>
    encodeInode({ ...decodeInode(ino, body), ...fields }),
  )
}

export function leafIn(image: DeviceImage, ino: number, generation = 0): Leaf {
  const key = leafKey(ino, generation, 0)
  return decodeLeaf(openValue(key, image.index.get(key) ?? new Uint8Array(0)))
}

/** Edits the first leaf of a file. */
export function withLeaf(image: DeviceImage, ino: number, edit: (leaf: Leaf) => void): DeviceImage {
  const leaf = leafIn(image, ino)
  edit(leaf)
  return withBody(image, leafKey(ino, 0, 0), () => encodeLeaf(leaf))
}

export function withBlock(
  image: DeviceImage,
  part: 'ring' | 'blocks',
  block: number,
  edit: (data: Uint8Array) => Uint8Array,
): DeviceImage {
  const blocks = new Map(image[part])
  blocks.set(block, edit(blocks.get(block) ?? new Uint8Array(BLOCK_SIZE)))
  return { ...image, [part]: blocks }
}
