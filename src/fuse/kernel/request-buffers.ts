/**
 * Memory for requests. Each buffer is page-aligned and takes one request at REQUEST_OFFSET, so that
 * the payload of a WRITE begins on a page:
 *
 *   0                4096-80          4096                        4096 + 1 MiB
 *   |    unused      | headers (80)   | payload                   | a page to spare
 *
 * Only the payload of a WRITE is ever used beyond the decoding of its request: names are decoded to
 * strings, and the few other byte strings (xattr values, symlink targets) are copied out. A WRITE
 * holds its buffer until its answer, and longer when the filesystem takes it; the reader goes on
 * with another. So small writes that wait are never copied, at the price of a whole buffer of
 * address space for each: untouched pages of a buffer cost no memory.
 *
 * There is no limit here: what waits is bounded by what the kernel has under way, and what is taken
 * by the filesystem's own budget. A limit in the reader could stop the very request that would free
 * a buffer.
 */
import { invariant } from '../../errors.ts'
import { addressOf } from './libc.ts'
import { PAGE_SIZE, REQUEST_HEADER_SIZE, WRITE_HEADER_SIZE, WRITE_SIZE_MAX } from './protocol.ts'

export const REQUEST_OFFSET = PAGE_SIZE - REQUEST_HEADER_SIZE - WRITE_HEADER_SIZE
const BUFFER_SIZE = WRITE_SIZE_MAX + 2 * PAGE_SIZE
export const REQUEST_SIZE_MAX = BUFFER_SIZE - REQUEST_OFFSET

// Each WebAssembly.Memory reserves gigabytes of address space, so one serves many buffers.
const BUFFERS_PER_ARENA = 16
const WASM_PAGE_SIZE = 65_536

invariant(
  (BUFFER_SIZE * BUFFERS_PER_ARENA) % WASM_PAGE_SIZE === 0,
  'an arena is a whole number of WebAssembly pages',
)

/** One buffer and how many still use it. */
export class RequestBuffer {
  readonly bytes: Buffer
  /** Address of REQUEST_OFFSET. */
  readonly address: bigint
  #holderCount = 0
  readonly #giveBack: (buffer: RequestBuffer) => void

  constructor(bytes: Buffer, giveBack: (buffer: RequestBuffer) => void) {
    this.bytes = bytes
    this.address = addressOf(bytes) + BigInt(REQUEST_OFFSET)
    this.#giveBack = giveBack
  }

  /** Whether the next request must be read into another buffer. */
  get isHeld(): boolean {
    return this.#holderCount > 0
  }

  /** Keeps the bytes until the returned function is called; further calls of it do nothing. */
  hold(): () => void {
    let held = true
    this.#holderCount++
    return () => {
      if (!held) return
      held = false
      this.#holderCount--
      if (this.#holderCount === 0) this.#giveBack(this)
    }
  }
}

/** Hands out buffers to one reader. */
export class RequestBufferPool {
  #current: RequestBuffer | undefined
  readonly #idle: RequestBuffer[] = []

  /** The buffer for the next request: the same one again, unless somebody holds it. */
  next(): RequestBuffer {
    if (this.#current === undefined || this.#current.isHeld) {
      if (this.#idle.length === 0) this.#addArena()
      this.#current = this.#idle.pop()
      invariant(this.#current !== undefined, 'a new arena has buffers')
    }
    return this.#current
  }

  #addArena(): void {
    const pageCount = (BUFFER_SIZE * BUFFERS_PER_ARENA) / WASM_PAGE_SIZE
    const memory = new WebAssembly.Memory({ initial: pageCount, maximum: pageCount })
    for (let index = 0; index < BUFFERS_PER_ARENA; index++) {
      const bytes = Buffer.from(memory.buffer, index * BUFFER_SIZE, BUFFER_SIZE)
      const buffer = new RequestBuffer(bytes, (released) => {
        // The reader goes on with its own buffer by itself.
        if (released !== this.#current) this.#idle.push(released)
      })
      this.#idle.push(buffer)
    }
  }
}
