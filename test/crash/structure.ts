/**
 * Whether what a volume holds fits together. Reads the index entry by entry and shares no state with
 * the code that wrote it. Requires: the volume was closed in order.
 */
import { crc32c } from '../../src/crc32c.ts'
import type { DeviceImage } from '../../src/device/memory-device.ts'
import {
  INODE_HAS_XATTRS,
  type Inode,
  ROOT_INO,
  decodeDirent,
  decodeInode,
  isDirectory,
} from '../../src/store/inode.ts'
import { MARKER_KEY, u32FromKey, u64FromKey } from '../../src/store/keys.ts'
import { LEAF_BLOCKS, decodeLeaf } from '../../src/store/leaf.ts'
import { decodeMarker } from '../../src/store/marker.ts'
import { openValue } from '../../src/store/metadata.ts'
import { SHARES_BLOCKS, decodeShares } from '../../src/store/shares.ts'

const BLOCK_SIZE = 4096
const GROUP_BLOCKS = 32_768

class Walk {
  readonly faults: string[] = []
  readonly inodes = new Map<number, Inode>()
  /** Block to who maps it first. */
  readonly owners = new Map<number, string>()
  /** Block to how many places map it beyond the first. */
  readonly extra = new Map<number, number>()
  readonly image: DeviceImage

  constructor(image: DeviceImage) {
    this.image = image
  }

  expect(condition: boolean, fault: string): void {
    if (!condition) this.faults.push(fault)
  }

  *entries(prefix: string): Generator<readonly [key: string, body: Uint8Array]> {
    for (const [key, value] of this.image.index) {
      if (key.startsWith(prefix)) yield [key, openValue(key, value)]
    }
  }
}

/** What is wrong with a volume, one line for each fault. */
export function structureFaults(image: DeviceImage): string[] {
  const walk = new Walk(image)
  for (const [key, body] of walk.entries('I')) {
    const ino = u64FromKey(key, 1)
    walk.inodes.set(ino, decodeInode(ino, body))
  }
  checkNames(walk)
  checkMaps(walk)
  checkShares(walk)
  checkBitmap(walk)
  checkMarker(walk)
  for (const [key] of walk.entries('O')) walk.faults.push(`orphan ${u64FromKey(key, 1)} is left`)
  for (const [key] of walk.entries('P')) walk.faults.push(`map of ${u64FromKey(key, 1)} is left`)
  for (const [key] of walk.entries('X')) {
    const inode = walk.inodes.get(u64FromKey(key, 1))
    const isKnown = ((inode?.flags ?? 0) & INODE_HAS_XATTRS) !== 0
    walk.expect(isKnown, `inode ${u64FromKey(key, 1)} does not know of its attributes`)
  }
  return walk.faults
}

function checkNames(walk: Walk): void {
  const links = new Map<number, number>()
  const entries = new Map<number, { count: number; directories: number; cookies: Set<number> }>()
  for (const [key, body] of walk.entries('D')) {
    const parent = u64FromKey(key, 1)
    const name = `${parent}/${key.slice(9)}`
    const dirent = decodeDirent(body)
    const inode = walk.inodes.get(dirent.ino)
    const own = entries.get(parent) ?? { count: 0, directories: 0, cookies: new Set() }
    entries.set(parent, own)
    walk.expect(walk.inodes.has(parent), `${name} is in a directory that does not exist`)
    walk.expect(inode !== undefined, `${name} leads to inode ${dirent.ino}, which does not exist`)
    walk.expect(!own.cookies.has(dirent.cookie), `${name} shares its cookie`)
    own.cookies.add(dirent.cookie)
    own.count++
    links.set(dirent.ino, (links.get(dirent.ino) ?? 0) + 1)
    if (inode === undefined || !isDirectory(inode)) continue
    own.directories++
    walk.expect(inode.parent === parent, `directory ${name} has parent ${inode.parent}`)
  }
  for (const [ino, inode] of walk.inodes) {
    const { count = 0, directories = 0 } = entries.get(ino) ?? {}
    const named = links.get(ino) ?? 0
    walk.expect(ino === ROOT_INO || named > 0, `inode ${ino} has no name`)
    walk.expect(inode.entryCount === count, `inode ${ino} counts ${inode.entryCount} entries`)
    const nlink = isDirectory(inode) ? 2 + directories : named
    walk.expect(inode.nlink === nlink, `inode ${ino} has nlink ${inode.nlink}, not ${nlink}`)
    walk.expect(!isDirectory(inode) || named <= 1, `directory ${ino} has ${named} names`)
  }
}

function checkMaps(walk: Walk): void {
  const counts = new Map<number, number>()
  for (const [key, body] of walk.entries('E')) {
    const [ino, generation, index] = [u64FromKey(key, 1), u32FromKey(key, 9), u32FromKey(key, 13)]
    const leaf = decodeLeaf(body)
    const inode = walk.inodes.get(ino)
    const where = `leaf ${index} of inode ${ino}`
    walk.expect(inode?.mapGeneration === generation, `${where} has generation ${generation}`)
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const block = leaf.block(slot)
      if (block === 0) continue
      const fileBlock = index * LEAF_BLOCKS + slot
      checkBlock(walk, `file block ${fileBlock} of inode ${ino}`, block, leaf.checksum(slot))
      walk.expect(fileBlock * BLOCK_SIZE < (inode?.size ?? 0), `${where} reaches behind the end`)
      counts.set(ino, (counts.get(ino) ?? 0) + 1)
    }
  }
  for (const [ino, inode] of walk.inodes) {
    const count = counts.get(ino) ?? 0
    walk.expect(inode.blockCount === count, `inode ${ino} counts ${inode.blockCount}, has ${count}`)
  }
}

function checkBlock(walk: Walk, where: string, block: number, checksum: number): void {
  const owner = walk.owners.get(block)
  if (owner === undefined) walk.owners.set(block, where)
  else walk.extra.set(block, (walk.extra.get(block) ?? 0) + 1)
  walk.expect(block > 0 && block < walk.image.blockCount, `${where} is block ${block}: too far`)
  const data = walk.image.blocks.get(block) ?? new Uint8Array(BLOCK_SIZE)
  walk.expect(crc32c(data) === checksum, `${where}: block ${block} has another content`)
}

/** A block has as many owners as the index says. */
function checkShares(walk: Walk): void {
  const counted = new Map<number, number>()
  for (const [key, body] of walk.entries('R')) {
    for (const [slot, count] of decodeShares(body).entries()) {
      if (count > 0) counted.set(u32FromKey(key, 1) * SHARES_BLOCKS + slot, count)
    }
  }
  for (const block of new Set([...counted.keys(), ...walk.extra.keys()])) {
    const [said, found] = [counted.get(block) ?? 0, walk.extra.get(block) ?? 0]
    walk.expect(said === found, `block ${block} has ${found} owners more than one, not ${said}`)
  }
}

function checkBitmap(walk: Walk): void {
  const mapped = new Set<number>()
  for (const [key, body] of walk.entries('G')) {
    const base = u32FromKey(key, 1) * GROUP_BLOCKS
    for (const [i, byte] of body.entries()) {
      if (byte === 0) continue
      for (let bit = 0; bit < 8; bit++)
        if ((byte & (1 << bit)) !== 0) mapped.add(base + i * 8 + bit)
    }
  }
  for (const block of mapped) {
    walk.expect(walk.owners.has(block), `block ${block} is in use and belongs to nobody`)
  }
  for (const [block, owner] of walk.owners) {
    walk.expect(mapped.has(block), `block ${block} of ${owner} is free in the bitmap`)
  }
}

function checkMarker(walk: Walk): void {
  const [entry] = [...walk.entries(MARKER_KEY)]
  if (entry === undefined) {
    walk.faults.push('there is no marker')
    return
  }
  const marker = decodeMarker(entry[1])
  const free = marker.blockCount - walk.owners.size
  walk.expect(marker.clean, 'the marker does not say that the volume was closed in order')
  walk.expect(marker.freeCount === free, `the marker counts ${marker.freeCount} free, not ${free}`)
  const last = Math.max(...walk.inodes.keys())
  walk.expect(marker.nextIno > last, `inode ${last} exists, the next one is ${marker.nextIno}`)
}
