/**
 * Where things lie in a volume's folder and in its block file:
 *
 *   blocks   [superblock 0][superblock 1][reserved, zero][ring][data block 0, unused][data ...]
 *   index/   LevelDB
 *   ballast  space that is given up when the host runs full
 */
import { join, resolve } from 'node:path'
import { FsError } from '../errors.ts'
import { BLOCK_SIZE } from './device.ts'

/** First block of the ring in the block file of a new volume. */
export const RING_START = 16

/** What the superblock says about the block file, in its blocks. */
export interface VolumeLayout {
  readonly ringStart: number
  readonly ringBlocks: number
  /** Block of the file that is block 0 of the data. */
  readonly dataStart: number
}

export interface VolumePaths {
  readonly folder: string
  readonly blocks: string
  readonly index: string
  readonly ballast: string
}

export function volumePaths(path: string): VolumePaths {
  const folder = resolve(path)
  return {
    folder,
    blocks: join(folder, 'blocks'),
    index: join(folder, 'index'),
    ballast: join(folder, 'ballast'),
  }
}

export function newLayout(ringBlocks: number): VolumeLayout {
  return { ringStart: RING_START, ringBlocks, dataStart: RING_START + ringBlocks }
}

/** Throws FsError EIO when the block file cannot be laid out so. */
export function checkLayout(path: string, layout: VolumeLayout, sizeBytes: number): void {
  const { ringStart, ringBlocks, dataStart } = layout
  const isOrdered = ringStart >= RING_START && ringBlocks > 0 && ringStart + ringBlocks <= dataStart
  if (!isOrdered) throw new FsError('EIO', `Cannot use "${path}": its parts overlap`)
  if (sizeBytes >= (dataStart + 1) * BLOCK_SIZE) return
  throw new FsError('EIO', `Cannot use "${path}": it is shorter than its superblock says`)
}
