/**
 * A device that watches where a volume is written to: a block that belongs to a file which nobody
 * touches must stay as it is. Whom a block belongs to is what the index says, where leaves and
 * bitmap agree.
 */
import { BLOCK_SIZE, type Blocks, type Device, type Ring } from '../../../src/device/device.ts'
import { type DeviceImage, MemoryDevice } from '../../../src/device/memory-device.ts'
import { GROUP_BLOCKS } from '../../../src/store/bitmap.ts'
import { decodeInode } from '../../../src/store/inode.ts'
import {
  bitmapKey,
  inodeKey,
  pendingMapKey,
  sharesKey,
  u32FromKey,
  u64FromKey,
} from '../../../src/store/keys.ts'
import { LEAF_BLOCKS, decodeLeaf } from '../../../src/store/leaf.ts'
import { openValue } from '../../../src/store/metadata.ts'
import { SHARES_BLOCKS, decodeShares } from '../../../src/store/shares.ts'
import { refusable } from '../kit/target.ts'

export interface Owners {
  /** The inode of each block that one place of one file has. */
  readonly byBlock: ReadonlyMap<number, number>
  /** Blocks that more places have than are counted. Own and pending maps have one place. */
  readonly doubles: ReadonlySet<number>
  /** Blocks that a map has and the bitmap shows as free: who trusts the bitmap gives them away. */
  readonly strays: ReadonlySet<number>
}

type Index = DeviceImage['index']

export function ownersOf({ index }: Pick<DeviceImage, 'index'>): Owners {
  const places = placesOf(index)
  const byBlock = new Map<number, number>()
  const doubles = new Set<number>()
  const strays = new Set<number>()
  for (const [block, owners] of places) {
    const [ino] = owners.values()
    if (owners.size === 1 && ino !== undefined) byBlock.set(block, ino)
    else if (owners.size > 1 + extraOf(index, block)) doubles.add(block)
    if (!isUsed(index, block)) strays.add(block)
  }
  return { byBlock, doubles, strays }
}

/** For each block the places that have it, with their inodes. */
function placesOf(index: Index): Map<number, Map<string, number>> {
  const places = new Map<number, Map<string, number>>()
  for (const [key, value] of index) {
    if (!key.startsWith('E') || key.length !== 17) continue
    const leaf = refusable(() => decodeLeaf(openValue(key, value)))
    const [ino, generation, leafIndex] = [
      u64FromKey(key, 1),
      u32FromKey(key, 9),
      u32FromKey(key, 13),
    ]
    const map = isKnown(index, ino, generation) ? `${ino}` : `${ino}.${generation}`
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const block = leaf?.block(slot) ?? 0
      if (block === 0) continue
      const owners = places.get(block) ?? new Map<string, number>()
      places.set(block, owners.set(`${map} ${leafIndex * LEAF_BLOCKS + slot}`, ino))
    }
  }
  return places
}

/** Whether a file has this generation of a map, or is getting or losing it. */
function isKnown(index: Index, ino: number, generation: number): boolean {
  if (index.has(pendingMapKey(ino, generation))) return true
  const value = index.get(inodeKey(ino))
  if (value === undefined) return false
  const inode = refusable(() => decodeInode(ino, openValue(inodeKey(ino), value)))
  return inode?.mapGeneration === generation
}

function isUsed(index: Index, block: number): boolean {
  const key = bitmapKey(Math.floor(block / GROUP_BLOCKS))
  const group = refusable(() => openValue(key, index.get(key) ?? new Uint8Array(0)))
  return (((group?.[(block % GROUP_BLOCKS) >> 3] ?? 0) >> (block & 7)) & 1) === 1
}

/** How many owners of a block are counted beyond the first. */
function extraOf(index: Index, block: number): number {
  const key = sharesKey(Math.floor(block / SHARES_BLOCKS))
  const value = index.get(key)
  if (value === undefined) return 0
  return refusable(() => decodeShares(openValue(key, value)))?.[block % SHARES_BLOCKS] ?? 0
}

export class GuardedDevice implements Device {
  readonly ring: Ring
  readonly blocks: Blocks
  readonly index: Device['index']
  readonly memory: MemoryDevice
  readonly faults: string[] = []
  private protectedBlocks: ReadonlySet<number> = new Set()

  constructor(image: DeviceImage, blockCountMax: number) {
    this.memory = new MemoryDevice(image, { blockCountMax })
    this.ring = this.memory.ring
    this.index = this.memory.index
    this.blocks = this.watch(this.memory.blocks)
  }

  /** From now on the blocks of these files, as the index has them, must not be written. */
  protect(inos: ReadonlySet<number>): void {
    const { byBlock, strays } = ownersOf(this.memory.image())
    const owned = [...byBlock].filter(([block, ino]) => inos.has(ino) && !strays.has(block))
    this.protectedBlocks = new Set(owned.map(([block]) => block))
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return this.memory.readSuperblock(copy)
  }

  writeSuperblock(): Promise<void> {
    this.faults.push('the superblock is written')
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  private watch(blocks: Blocks): Blocks {
    const check = (start: number, data: Uint8Array): void => {
      for (let block = start; block < start + data.length / BLOCK_SIZE; block++) {
        if (this.protectedBlocks.has(block)) this.faults.push(`block ${block} is another file's`)
      }
    }
    return {
      get blockCount() {
        return blocks.blockCount
      },
      read: (block, target) => {
        blocks.read(block, target)
      },
      readAsync: (block, target) => blocks.readAsync(block, target),
      write: (block, data) => {
        check(block, data)
        blocks.write(block, data)
      },
      writeDirect: (block, data) => {
        check(block, data)
        return blocks.writeDirect(block, data)
      },
      flush: () => blocks.flush(),
      grow: (blockCount) => {
        blocks.grow(blockCount)
      },
      hostFreeBytes: () => blocks.hostFreeBytes(),
    }
  }
}
