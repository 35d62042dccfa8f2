/** Content of a file of which most was never written. What is stored is never changed, only replaced. */
const PAGE_SIZE = 4096
const ZERO_PAGE = Buffer.alloc(PAGE_SIZE)

export class SparseFile {
  size = 0
  readonly #pages: Map<number, Buffer>

  constructor(from?: SparseFile) {
    this.#pages = new Map(from === undefined ? [] : from.#pages)
    this.size = from?.size ?? 0
  }

  /** Writes; grows the file if it must. */
  write(offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length;) {
      const page = Math.floor((offset + at) / PAGE_SIZE)
      const start = offset + at - page * PAGE_SIZE
      const count = Math.min(PAGE_SIZE - start, data.length - at)
      const content = Buffer.from(this.#pages.get(page) ?? ZERO_PAGE)
      content.set(data.subarray(at, at + count), start)
      this.#pages.set(page, content)
      at += count
    }
    this.size = Math.max(this.size, offset + data.length)
  }

  resize(size: number): void {
    if (size < this.size) {
      for (const page of this.#pages.keys()) if (page * PAGE_SIZE >= size) this.#pages.delete(page)
      const last = Math.floor(size / PAGE_SIZE)
      const content = this.#pages.get(last)
      if (content !== undefined) {
        const cut = Buffer.from(content).fill(0, size - last * PAGE_SIZE)
        this.#pages.set(last, cut)
      }
    }
    this.size = size
  }

  /** What is not zeros, in order; nothing behind the end. */
  *pieces(): Generator<readonly [offset: number, data: Buffer]> {
    for (const [page, content] of this.#pages) {
      const offset = page * PAGE_SIZE
      if (offset >= this.size || content.equals(ZERO_PAGE)) continue
      yield [offset, content.subarray(0, this.size - offset)]
    }
  }
}
