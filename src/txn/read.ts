/** Reading a range of a file, with as few and as large reads of the disk as its layout allows. */
import { BLOCK_SIZE } from '../device/device.ts'
import { crc32cOfBlocks } from '../store/crc32c-blocks.ts'
import { crc32c } from '../crc32c.ts'
import { FsError } from '../errors.ts'
import { WRONG_CONTENT } from '../store/store.ts'
import type { Engine } from './engine.ts'
import { publishedState } from './published.ts'
import { resolveBlock } from './resolve.ts'
import type { FileState } from './shadow-fork.ts'

/** Above this a read of the disk leaves the event loop to others, and goes on beside them. */
const SYNC_READ_BLOCKS = 8

/** Larger reads are made in parts, so that the checksums of one are made while the disk reads the next. */
const RUN_BLOCKS_MAX = 128

const ZEROS = Buffer.alloc(64 * BLOCK_SIZE)

/** Consecutive blocks of the disk with the checksums of their content. */
interface DiskRun {
  readonly start: number
  readonly fileBlock: number
  readonly checksums: number[]
}

type Piece = Uint8Array | DiskRun

const isRun = (piece: Piece): piece is DiskRun => 'checksums' in piece

/** Current size of a file, staged or published. */
export function currentSize(engine: Engine, file: FileState): number {
  return file.shadow?.size ?? publishedState(engine, file).size
}

/** Lends memory that starts on a page. Throws FsError ENOMEM. */
export interface ReadMemory {
  take(sizeBytes: number): Buffer
}

/**
 * Bytes from `offset` on, at most `lengthBytes`, fewer only at the end of the file: the kernel takes
 * a short answer for the end, and shows zeros behind it. Views of memory that must not be changed.
 * Throws FsError EIO if any of it is not what was stored. A page of the kernel's cache is not lost by
 * its neighbours: after a failed read ahead the kernel asks for each page by itself. What large reads take
 * of `memory` is no longer used by them when their promise settles.
 */
export function readFile(
  engine: Engine,
  file: FileState,
  offset: number,
  lengthBytes: number,
  memory?: ReadMemory,
): Uint8Array[] | Promise<Uint8Array[]> {
  const end = Math.min(currentSize(engine, file), offset + lengthBytes)
  if (end <= offset) return []
  const firstBlock = Math.floor(offset / BLOCK_SIZE)
  const endBlock = Math.ceil(end / BLOCK_SIZE)
  const pieces = planRead(engine, file, firstBlock, endBlock)
  const trim = (read: Uint8Array[]): Uint8Array[] =>
    trimPieces(read, offset - firstBlock * BLOCK_SIZE, end - offset)
  const diskBlocks = pieces.reduce((sum, p) => sum + (isRun(p) ? p.checksums.length : 0), 0)
  if (diskBlocks > SYNC_READ_BLOCKS) {
    return fetchAll(engine, pieces, takeMemory(diskBlocks * BLOCK_SIZE, memory)).then((fetched) =>
      // A block may have been freed and used again meanwhile: what is wrong now, is wrong.
      trim(fetched ?? fetchNow(engine, file, firstBlock, endBlock)),
    )
  }
  return trim(pieces.map((piece) => fetch(engine, file, piece)))
}

function planRead(engine: Engine, file: FileState, firstBlock: number, endBlock: number): Piece[] {
  const pieces: Piece[] = []
  let zeroBlocks = 0
  const flushZeros = (): void => {
    for (; zeroBlocks > 0; zeroBlocks -= 64) {
      pieces.push(ZEROS.subarray(0, Math.min(zeroBlocks, 64) * BLOCK_SIZE))
    }
    zeroBlocks = 0
  }
  for (let fileBlock = firstBlock; fileBlock < endBlock; fileBlock++) {
    const source = resolveBlock(engine, file, fileBlock)
    if (source === undefined) {
      zeroBlocks++
      continue
    }
    flushZeros()
    addSource(engine, pieces, fileBlock, source)
  }
  flushZeros()
  return pieces
}

function addSource(
  engine: Engine,
  pieces: Piece[],
  fileBlock: number,
  source: { readonly page: Uint8Array } | { readonly block: number; readonly checksum: number },
): void {
  const page = 'page' in source ? source.page : engine.store.blockInMemory(source.block)
  if (page !== undefined) {
    pieces.push(page)
    return
  }
  if ('page' in source) return
  const last = pieces.at(-1)
  if (last !== undefined && isRun(last) && continues(last, source.block)) {
    last.checksums.push(source.checksum)
  } else {
    pieces.push({ start: source.block, fileBlock, checksums: [source.checksum] })
  }
}

function continues({ start, checksums: { length } }: DiskRun, block: number): boolean {
  return start + length === block && length < RUN_BLOCKS_MAX
}

function fetchNow(
  engine: Engine,
  file: FileState,
  firstBlock: number,
  endBlock: number,
): Uint8Array[] {
  return planRead(engine, file, firstBlock, endBlock).map((piece) => fetch(engine, file, piece))
}

function fetch(engine: Engine, file: FileState, piece: Piece): Uint8Array {
  if (!isRun(piece)) return piece
  const data = Buffer.allocUnsafeSlow(piece.checksums.length * BLOCK_SIZE)
  try {
    engine.store.device.blocks.read(piece.start, data)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    throw damagedRun(engine, file, piece, 0, error.message)
  }
  const wrong = wrongIndex(piece, data)
  if (wrong < 0) return data
  throw damagedRun(engine, file, piece, wrong, WRONG_CONTENT)
}

function takeMemory(sizeBytes: number, memory: ReadMemory | undefined): Buffer {
  try {
    if (memory !== undefined) return memory.take(sizeBytes)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
  }
  return Buffer.allocUnsafeSlow(sizeBytes)
}

/** All pieces, read side by side, or undefined if one of them is wrong; none is being read any more then. */
async function fetchAll(
  engine: Engine,
  pieces: readonly Piece[],
  memory: Buffer,
): Promise<Uint8Array[] | undefined> {
  let used = 0
  const fetching = pieces.map(async (piece) => {
    if (!isRun(piece)) return piece
    const data = memory.subarray(used, used + piece.checksums.length * BLOCK_SIZE)
    used += data.length
    await engine.store.device.blocks.readAsync(piece.start, data)
    // Read again, and reported, by the caller.
    if (wrongIndex(piece, data) >= 0) throw new FsError('EIO', WRONG_CONTENT)
    return data
  })
  const fetched = await Promise.allSettled(fetching)
  const right = fetched.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  return right.length === pieces.length ? right : undefined
}

/** The first block that does not have its checksum, or -1. */
function wrongIndex({ checksums }: DiskRun, data: Buffer): number {
  if (crc32c(data) === crc32cOfBlocks(checksums)) return -1
  return checksums.findIndex(
    (checksum, i) => crc32c(data.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)) !== checksum,
  )
}

function damagedRun(
  engine: Engine,
  { ino }: FileState,
  run: DiskRun,
  index: number,
  what: string,
): FsError {
  const offset = (run.fileBlock + index) * BLOCK_SIZE
  return engine.damaged({ ino, offset, block: run.start + index, what })
}

/** Cuts `skip` bytes off the front and everything beyond `lengthBytes` off the end. */
function trimPieces(pieces: Uint8Array[], skip: number, lengthBytes: number): Uint8Array[] {
  const trimmed: Uint8Array[] = []
  let left = lengthBytes
  let front = skip
  for (const piece of pieces) {
    const part = piece.subarray(front, front + left)
    front = Math.max(0, front - piece.length)
    left -= part.length
    if (part.length > 0) trimmed.push(part)
  }
  return trimmed
}
