/** In what a volume can grow, and volumes of each size of it, made without a mount. */
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { makeFragmentedVolume, FRAGMENTED_NAME } from '../fragmented-volume.ts'
import { CALLER, O_RDWR, ROOT, onNewVolume, writeOf } from '../in-process.ts'
import { CALL_BYTES, PAGE_SIZE, pageBuffer } from '../pages.ts'
import type { Scale } from '../scale.ts'

export type DimensionName = 'files' | 'extents' | 'size' | 'age'

/** Pages that can be read and changed. */
export interface Target {
  readonly fileCount: number
  readonly nameOf: (file: number) => string
  readonly pagesPerFile: number
  /** Blocks from one page to the next. */
  readonly strideBlocks: number
}

export interface Dimension {
  readonly title: string
  /** What the horizontal axis counts. */
  readonly label: string
  readonly sizes: Readonly<Record<Scale['name'], readonly number[]>>
  /** What a volume of a size takes of the disk, generously. */
  readonly bytesOf: (size: number) => number
  readonly make: (path: string, size: number) => Promise<void>
  readonly targetOf: (size: number) => Target
}

const FILE_NAME = 'file'
const MIB = 2 ** 20
const GIB = 2 ** 30
/** Of a sparse file, whatever its size. */
const SPARSE_PAGES = 1024
const AGED_BYTES = 64 * MIB
const AGING_PAGES = 64
/** Of one that holds next to nothing. */
const VOLUME_BYTES = GIB / 2

const oneFile = (name: string, pagesPerFile: number, strideBlocks: number): Target => ({
  fileCount: 1,
  nameOf: () => name,
  pagesPerFile,
  strideBlocks,
})

const sparseStride = (sizeBytes: number): number => sizeBytes / PAGE_SIZE / SPARSE_PAGES

const nameOfFile = (file: number): string => `file-${file}`

export const DIMENSIONS: Readonly<Record<DimensionName, Dimension>> = {
  files: {
    title: 'Number of files, of 4 KiB each, in one folder',
    label: 'files',
    sizes: { full: decades(3, 6), quick: decades(3, 5), smoke: decades(2, 3) },
    bytesOf: (fileCount) => VOLUME_BYTES + fileCount * 2 * PAGE_SIZE,
    make: makeFiles,
    targetOf: (fileCount) => ({
      fileCount,
      nameOf: nameOfFile,
      pagesPerFile: 1,
      strideBlocks: 1,
    }),
  },
  extents: {
    title: 'Extents of one file, whose every second block is a hole',
    label: 'extents',
    sizes: { full: decades(3, 7), quick: decades(3, 5), smoke: decades(2, 3) },
    bytesOf: (extentCount) => VOLUME_BYTES + extentCount * 1.25 * PAGE_SIZE,
    make: makeFragmentedVolume,
    targetOf: (extentCount) => oneFile(FRAGMENTED_NAME, extentCount, 2),
  },
  size: {
    title: 'Size of a sparse file of 1,024 pages, in bytes',
    label: 'bytes',
    sizes: {
      full: [64 * MIB, 512 * MIB, 4 * GIB, 32 * GIB, 256 * GIB, 1024 * GIB],
      quick: [64 * MIB, 4 * GIB, 1024 * GIB],
      smoke: [64 * MIB, 1024 * GIB],
    },
    bytesOf: () => VOLUME_BYTES,
    make: makeSparse,
    targetOf: (sizeBytes) => oneFile(FILE_NAME, SPARSE_PAGES, sparseStride(sizeBytes)),
  },
  age: {
    title: 'Commits of 64 scattered pages that a file of 64 MiB has seen',
    label: 'commits before',
    sizes: { full: decades(1, 5), quick: decades(1, 3), smoke: decades(0, 1) },
    bytesOf: () => VOLUME_BYTES,
    make: makeAged,
    targetOf: () => oneFile(FILE_NAME, AGED_BYTES / PAGE_SIZE, 1),
  },
}

/** 10^from to 10^to. */
function decades(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i))
}

async function makeFiles(path: string, fileCount: number): Promise<void> {
  const page = pageBuffer(PAGE_SIZE)
  await onNewVolume(path, async (filesystem) => {
    for (let file = 0; file < fileCount; file++) {
      await withNew(filesystem, nameOfFile(file), async (fh) => {
        await filesystem.write(fh, writeOf(0, page))
      })
    }
  })
}

async function makeSparse(path: string, sizeBytes: number): Promise<void> {
  const page = pageBuffer(PAGE_SIZE)
  const strideBytes = sparseStride(sizeBytes) * PAGE_SIZE
  await onNewVolume(path, async (filesystem) => {
    await withNew(filesystem, FILE_NAME, async (fh, ino) => {
      await filesystem.setAttributes(ino, { size: sizeBytes })
      for (let i = 0; i < SPARSE_PAGES; i++) {
        await filesystem.write(fh, writeOf(i * strideBytes, page))
      }
      await filesystem.fsync(fh)
    })
  })
}

async function makeAged(path: string, commitCount: number): Promise<void> {
  const piece = pageBuffer(CALL_BYTES)
  const page = piece.subarray(0, PAGE_SIZE)
  await onNewVolume(path, async (filesystem) => {
    await withNew(filesystem, FILE_NAME, async (fh) => {
      for (let at = 0; at < AGED_BYTES; at += CALL_BYTES) {
        await filesystem.write(fh, writeOf(at, piece))
      }
      await filesystem.fsync(fh)
      for (let commit = 0; commit < commitCount; commit++) {
        for (let i = 0; i < AGING_PAGES; i++) {
          const block = Math.floor((Math.random() * AGED_BYTES) / PAGE_SIZE)
          await filesystem.write(fh, writeOf(block * PAGE_SIZE, page))
        }
        await filesystem.fsync(fh)
      }
    })
  })
}

async function withNew(
  filesystem: Filesystem,
  name: string,
  work: (fh: number, ino: number) => Promise<void>,
): Promise<void> {
  const { attributes, opened } = await filesystem.create(ROOT, name, 0o644, O_RDWR, CALLER)
  await work(opened.fh, attributes.ino)
  // As every close of a descriptor does.
  await filesystem.flush(opened.fh, CALLER)
  await filesystem.release(opened.fh)
  filesystem.forget(attributes.ino, 1)
}
