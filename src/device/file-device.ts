/**
 * A device in a folder of the host: the file `blocks`, the LevelDB `index/`, and the `ballast`.
 * Only one process has a volume open; LevelDB's lock sees to it, so the index is opened first.
 */
import { existsSync } from 'node:fs'
import { FsError } from '../errors.ts'
import { allocateAligned } from './aligned-memory.ts'
import { Ballast, BALLAST_BYTES } from './ballast.ts'
import { BlockFile } from './block-file.ts'
import { checkSuperblock } from './bounds.ts'
import { BLOCK_SIZE, type Device } from './device.ts'
import { FileBlocks, FileRing } from './file-parts.ts'
import { onHost } from './host-error.ts'
import {
  checkLayout,
  newLayout,
  volumePaths,
  type VolumeLayout,
  type VolumePaths,
} from './layout.ts'
import { LevelIndex } from './level-index.ts'
import { hasDatabase, openLevel, type LockedLevel } from './open-level.ts'
import { readableCopies } from './superblock-copies.ts'
import { isUnfinished, makeVolume } from './volume-folder.ts'

export interface CreateOptions {
  readonly ringBlocks: number
  readonly ballastBytes?: number
}

export interface OpenOptions {
  /** Refuses every write. LevelDB still replays its own log, so the host must be writable. */
  readonly readOnly?: boolean
  readonly ballastBytes?: number
}

/** Finds the layout in those copies of the superblock that can be read; may throw. */
export type LayoutOf = (copies: readonly Uint8Array[]) => VolumeLayout

export class FileDevice implements Device {
  readonly ring: FileRing
  readonly blocks: FileBlocks
  readonly index: LevelIndex
  readonly #file: BlockFile

  private constructor(file: BlockFile, layout: VolumeLayout, index: LevelIndex, ballast: Ballast) {
    this.#file = file
    this.ring = new FileRing(file, layout)
    this.blocks = new FileBlocks(file, layout, ballast)
    this.index = index
  }

  /**
   * Makes a volume in a new or empty folder, or again in an unfinished one. It is finished, and can
   * be opened, once the caller has written both superblocks, which it does last.
   */
  static async create(path: string, options: CreateOptions): Promise<FileDevice> {
    const ballastBytes = options.ballastBytes ?? BALLAST_BYTES
    const paths = volumePaths(path)
    const level = await makeVolume(paths, options.ringBlocks, ballastBytes)
    const layoutOf = () => newLayout(options.ringBlocks)
    return FileDevice.#assemble(level, paths, layoutOf, { ballastBytes })
  }

  /**
   * Opens a volume. Throws FsError EBUSY when another has it open, ENOENT when there is none, and
   * whatever `layoutOf` throws; the volume is closed again then.
   */
  static async open(
    path: string,
    layoutOf: LayoutOf,
    options: OpenOptions = {},
  ): Promise<FileDevice> {
    const paths = volumePaths(path)
    checkVolume(paths)
    const level = await openIndex(paths)
    return FileDevice.#assemble(level, paths, layoutOf, options)
  }

  static async #assemble(
    level: LockedLevel,
    paths: VolumePaths,
    layoutOf: LayoutOf,
    options: OpenOptions,
  ): Promise<FileDevice> {
    const isReadOnly = options.readOnly ?? false
    const opened: { close(): Promise<void> }[] = [level]
    try {
      const file = new BlockFile(paths.blocks, isReadOnly)
      opened.push(file)
      const layout = layoutOf(readableCopies((copy) => file.readSuperblock(copy)))
      checkLayout(paths.blocks, layout, file.sizeBytes())
      const ballast = new Ballast(paths.ballast, paths.folder, options.ballastBytes)
      const index = new LevelIndex(level, { path: paths.index, isReadOnly, ballast })
      return new FileDevice(file, layout, index, ballast)
    } catch (error) {
      for (const part of opened.toReversed()) await part.close()
      throw error
    }
  }

  /** Reads blocks of the block file as the disk has them, into page-aligned memory. */
  readRaw(fileBlock: number, target: Uint8Array): Promise<void> {
    return this.#file.readDirect(fileBlock * BLOCK_SIZE, target)
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return this.#file.readSuperblock(copy)
  }

  async writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void> {
    checkSuperblock(data)
    const aligned = allocateAligned(BLOCK_SIZE)
    aligned.set(data)
    await this.#file.writeDurable(copy * BLOCK_SIZE, aligned)
  }

  async close(): Promise<void> {
    await this.#file.close()
    await this.index.close()
  }
}

/** On a full host LevelDB cannot even open; the ballast is for that too. */
async function openIndex(paths: VolumePaths): Promise<LockedLevel> {
  try {
    return await openLevel(paths.index, 'open')
  } catch (error) {
    if (!(error instanceof FsError) || error.code === 'EBUSY') throw error
    // LevelDB makes databases in steps that a power cut may part.
    checkFinished(paths)
    if (error.code !== 'ENOSPC') throw error
    new Ballast(paths.ballast, paths.folder).release()
    return openLevel(paths.index, 'open')
  }
}

/** Looks before anything is opened: LevelDB would leave files in a folder that has no database. */
function checkVolume(paths: VolumePaths): void {
  if (!existsSync(paths.blocks)) {
    throw new FsError('ENOENT', `Cannot open "${paths.folder}": there is no volume`)
  }
  if (hasDatabase(paths.index)) return
  checkFinished(paths)
  throw new FsError('EIO', `Cannot open volume "${paths.folder}": its index has no database`)
}

function checkFinished(paths: VolumePaths): void {
  if (!onHost('read', paths.blocks, () => isUnfinished(paths.blocks))) return
  throw new FsError(
    'EINVAL',
    `Cannot open volume "${paths.folder}": it was never finished; make it again`,
  )
}
