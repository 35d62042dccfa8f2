/** The files of a volume on the host, copied into memory and written out again as another volume. */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { volumePaths } from '../../src/device/layout.ts'

/** LevelDB's files by name; a buffer is never changed. */
export type Files = ReadonlyMap<string, Buffer>

/** A block file without its zeros: much of it is allocated and was never written. */
export interface BlockImage {
  readonly sizeBytes: number
  readonly chunks: readonly (readonly [position: number, data: Buffer])[]
}

export const BALLAST_BYTES = 1024 * 1024
const CHUNK_BYTES = 64 * 1024
const ZEROS = Buffer.alloc(CHUNK_BYTES)

/** Not LOG, which nobody reads, nor LOCK: closing it would give up the lock of this process. */
const COPIED = /^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb))$/

/**
 * Copies LevelDB's files as they are at one moment. Its own thread may be at work, but it only
 * appends, makes and removes files: when names and sizes are the same before and after, so was
 * everything between. `known` is an earlier copy; what has not grown is taken from there.
 */
export function readIndex(folder: string, known: Files = new Map()): Files {
  for (;;) {
    const before = sizesIn(folder)
    const files = before === undefined ? undefined : readAll(folder, before, known)
    if (files !== undefined && isListed(files, sizesIn(folder))) return files
  }
}

function sizesIn(folder: string): Map<string, number> | undefined {
  const sizes = new Map<string, number>()
  for (const name of readdirSync(folder)) {
    if (!COPIED.test(name)) continue
    const stat = statSync(join(folder, name), { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    sizes.set(name, stat.size)
  }
  return sizes
}

function readAll(
  folder: string,
  sizes: ReadonlyMap<string, number>,
  known: Files,
): Files | undefined {
  const files = new Map<string, Buffer>()
  for (const [name, size] of sizes) {
    const old = known.get(name)
    if (old?.length === size) files.set(name, old)
    else {
      try {
        files.set(name, readFileSync(join(folder, name)))
      } catch {
        return undefined
      }
    }
  }
  return files
}

function isListed(files: Files, sizes: ReadonlyMap<string, number> | undefined): boolean {
  return (
    sizes?.size === files.size &&
    [...files].every(([name, { length }]) => sizes.get(name) === length)
  )
}

export function isSame(a: Files, b: Files): boolean {
  return isListed(a, new Map([...b].map(([name, { length }]) => [name, length])))
}

export function readBlocks(path: string): BlockImage {
  const { size: sizeBytes } = statSync(path)
  const chunks: [number, Buffer][] = []
  const fd = openSync(path, 'r')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let position = 0; position < sizeBytes; position += CHUNK_BYTES) {
    const data = chunk.subarray(0, readSync(fd, chunk, 0, CHUNK_BYTES, position))
    if (!data.equals(ZEROS.subarray(0, data.length))) chunks.push([position, Buffer.from(data)])
  }
  closeSync(fd)
  return { sizeBytes, chunks }
}

/** Makes a volume's folder with these contents. */
export function writeVolume(path: string, blocks: BlockImage, index: Files): void {
  const paths = volumePaths(path)
  mkdirSync(paths.index, { recursive: true })
  const fd = openSync(paths.blocks, 'w')
  ftruncateSync(fd, blocks.sizeBytes)
  for (const [position, data] of blocks.chunks) writeSync(fd, data, 0, data.length, position)
  closeSync(fd)
  writeFileSync(paths.ballast, '')
  truncateSync(paths.ballast, BALLAST_BYTES)
  for (const [name, data] of index) writeFileSync(join(paths.index, name), data)
}
