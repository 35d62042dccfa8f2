/**
 * A device that watches where a volume is written to: a block that belongs to a file which nobody
 * touches must stay as it is. Whom a block belongs to is what the index says, where leaves and
 * bitmap agree.
 */
import { BLOCK_SIZE, type Blocks, type Device, type Ring } from '../../../src/device/device.ts'
import { type DeviceImage, MemoryDevice } from '../../../src/device/memory-device.ts'
import { GROUP_BLOCKS } from '../../../src/store/bitmap.ts'
import { bitmapKey, u64FromKey } from '../../../src/store/keys.ts'
import { LEAF_BLOCKS, decodeLeaf } from '../../../src/store/leaf.ts'
import { openValue } from '../../../src/store/metadata.ts'
import { refusable } from '../kit/target.ts'

export interface Owners {
  /** The inode of each block that one file has. */
  readonly byBlock: ReadonlyMap<number, number>
  /** Blocks that several have, or one has twice. */
  readonly doubles: ReadonlySet<number>
}

export function ownersOf({ index }: Pick<DeviceImage, 'index'>): Owners {
  const byBlock = new Map<number, number>()
  const doubles = new Set<number>()
  for (const [key, value] of index) {
    if (!key.startsWith('E') || key.length !== 17) continue
    const leaf = refusable(() => decodeLeaf(openValue(key, value)))
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const block = leaf?.block(slot) ?? 0
      if (block === 0) continue
      if (byBlock.has(block)) doubles.add(block)
      byBlock.set(block, u64FromKey(key, 1))
    }
  }
  for (const block of doubles) byBlock.delete(block)
  return { byBlock, doubles }
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
    const { index } = this.memory.image()
    const isUsed = (block: number): boolean => {
      const key = bitmapKey(Math.floor(block / GROUP_BLOCKS))
      const group = refusable(() => openValue(key, index.get(key) ?? new Uint8Array(0)))
      return (((group?.[(block % GROUP_BLOCKS) >> 3] ?? 0) >> (block & 7)) & 1) === 1
    }
    const owned = [...ownersOf({ index }).byBlock].filter(([, ino]) => inos.has(ino))
    this.protectedBlocks = new Set(owned.map(([block]) => block).filter(isUsed))
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
