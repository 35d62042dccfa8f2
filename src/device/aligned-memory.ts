/**
 * Page-aligned memory, which direct I/O needs and Node does not offer: a WebAssembly memory starts
 * on a page. No memory here is ever grown, for that would detach every view of it.
 */
import { FsError, invariant } from '../errors.ts'

const WASM_PAGE_SIZE = 64 * 1024
const PAGE_SIZE = 4096
const KEPT_BYTES_MAX = 16 * 1024 * 1024

const made = new WeakSet<ArrayBufferLike>()

/** Whether direct I/O takes a view: memory from here that starts on a page. */
export function isAligned({ buffer, byteOffset }: Uint8Array): boolean {
  return made.has(buffer) && byteOffset % PAGE_SIZE === 0
}

/**
 * Zeroed memory that starts on a page. Costs 64 KiB at least, and 10 GiB of addresses, of which there are
 * enough for some 13,000: for buffers that are large, or few and live long. Throws FsError ENOMEM.
 */
export function allocateAligned(sizeBytes: number): Buffer {
  const pageCount = Math.max(1, Math.ceil(sizeBytes / WASM_PAGE_SIZE))
  const { buffer } = makeMemory(pageCount)
  made.add(buffer)
  return Buffer.from(buffer, 0, sizeBytes)
}

function makeMemory(pageCount: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pageCount, maximum: pageCount })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new FsError('ENOMEM', `There are no ${pageCount} pages of memory`, { cause: error })
  }
}

/** Aligned buffers for reuse, in sizes of 64 KiB times a power of two. */
export class AlignedPool {
  readonly #free = new Map<number, Buffer[]>()
  readonly #lent = new Map<ArrayBufferLike, Buffer>()
  readonly #keptBytesMax: number
  #keptBytes = 0

  constructor(keptBytesMax = KEPT_BYTES_MAX) {
    this.#keptBytesMax = keptBytesMax
  }

  /** A buffer of `sizeBytes`; holds whatever its last user left. */
  acquire(sizeBytes: number): Buffer {
    const whole = this.#take(classOf(sizeBytes))
    this.#lent.set(whole.buffer, whole)
    return whole.subarray(0, sizeBytes)
  }

  /** Gives a buffer back. Requires: nobody uses it or a view of it any more. */
  release(buffer: Buffer): void {
    const whole = this.#lent.get(buffer.buffer)
    invariant(whole !== undefined, 'a released buffer was acquired from this pool')
    this.#lent.delete(buffer.buffer)
    if (this.#keptBytes + whole.length > this.#keptBytesMax) return
    this.#keptBytes += whole.length
    const free = this.#free.get(whole.length)
    if (free === undefined) this.#free.set(whole.length, [whole])
    else free.push(whole)
  }

  #take(sizeBytes: number): Buffer {
    const kept = this.#free.get(sizeBytes)?.pop()
    if (kept === undefined) return allocateAligned(sizeBytes)
    this.#keptBytes -= sizeBytes
    return kept
  }
}

function classOf(sizeBytes: number): number {
  let size = WASM_PAGE_SIZE
  while (size < sizeBytes) size *= 2
  return size
}
