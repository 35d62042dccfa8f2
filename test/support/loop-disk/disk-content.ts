/**
 * The bytes of a disk: an ordinary sparse file, and, if the file is to stay as it is, what was written
 * since in memory above it. Knows nothing of caches: what is written is there.
 */
import { readSync, writeSync } from 'node:fs'

const CHUNK_BYTES = 4096

/** Bytes that differ from the file's. */
export interface Patch {
  readonly offset: number
  readonly data: Uint8Array
}

export class DiskContent {
  readonly sizeBytes: number
  readonly #fd: number
  readonly #chunks: Map<number, Buffer> | undefined

  /** `isOverlay`: keep what is written in memory, and leave the file alone. */
  constructor(fd: number, sizeBytes: number, isOverlay: boolean) {
    this.#fd = fd
    this.sizeBytes = sizeBytes
    this.#chunks = isOverlay ? new Map() : undefined
  }

  read(offset: number, lengthBytes: number): Buffer {
    const length = Math.max(0, Math.min(lengthBytes, this.sizeBytes - offset))
    const data = this.#readFile(offset, length)
    if (this.#chunks === undefined || this.#chunks.size === 0) return data
    for (const piece of pieces(offset, length)) {
      const chunk = this.#chunks.get(piece.chunk)
      chunk?.copy(data, piece.at, piece.start, piece.end)
    }
    return data
  }

  write(offset: number, data: Uint8Array): void {
    if (this.#chunks === undefined) {
      this.#writeFile(offset, data)
      return
    }
    for (const { chunk, at, start, end } of pieces(offset, data.length)) {
      const whole = this.#chunks.get(chunk) ?? this.#readFile(chunk * CHUNK_BYTES, CHUNK_BYTES)
      whole.set(data.subarray(at, at + end - start), start)
      this.#chunks.set(chunk, whole)
    }
  }

  /** Forgets what was written above the file, and begins anew with these bytes, in order. */
  reset(patches: readonly Patch[]): void {
    this.#chunks?.clear()
    for (const { offset, data } of patches) this.write(offset, data)
  }

  /** What the file is too short for reads as zeros. */
  #readFile(offset: number, lengthBytes: number): Buffer {
    const data = Buffer.alloc(lengthBytes)
    let at = 0
    while (at < lengthBytes) {
      const count = readSync(this.#fd, data, at, lengthBytes - at, offset + at)
      if (count === 0) break
      at += count
    }
    return data
  }

  #writeFile(offset: number, data: Uint8Array): void {
    let at = 0
    while (at < data.length) {
      at += writeSync(this.#fd, data, at, data.length - at, offset + at)
    }
  }
}

interface Piece {
  readonly chunk: number
  /** Where the piece begins in the range. */
  readonly at: number
  /** Where it begins and ends in the chunk. */
  readonly start: number
  readonly end: number
}

function* pieces(offset: number, lengthBytes: number): Generator<Piece> {
  for (let at = 0; at < lengthBytes;) {
    const chunk = Math.floor((offset + at) / CHUNK_BYTES)
    const start = offset + at - chunk * CHUNK_BYTES
    const end = Math.min(CHUNK_BYTES, start + lengthBytes - at)
    yield { chunk, at, start, end }
    at += end - start
  }
}
