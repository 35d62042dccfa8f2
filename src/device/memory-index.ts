/** An index in memory. */
import type { Index, IndexOp, IndexPage } from './device.ts'
import { OneBatch } from './one-batch.ts'
import { OrderedMap } from './ordered-map.ts'

/** Small, so that tests see several. */
const PAGE_COUNT = 16

export class MemoryIndex implements Index {
  readonly hasSpace = true
  readonly #entries: OrderedMap<Uint8Array>
  readonly #oneBatch = new OneBatch()

  constructor(entries: ReadonlyMap<string, Uint8Array>) {
    this.#entries = new OrderedMap(entries)
  }

  get(key: string): Uint8Array | undefined {
    const value = this.#entries.get(key)
    return value === undefined ? undefined : Uint8Array.from(value)
  }

  pages(from: string, to: string): AsyncIterable<IndexPage> {
    return yieldCopies(from < to ? this.#entries.slice(from, to) : [])
  }

  async batch(operations: readonly IndexOp[]): Promise<void> {
    await this.#oneBatch.run(async () => {
      for (const operation of operations) {
        if (operation.type === 'del') this.#entries.delete(operation.key)
        else this.#entries.set(operation.key, Uint8Array.from(operation.value))
      }
    })
  }

  /** A copy; the values in it are never changed. */
  image(): Map<string, Uint8Array> {
    return new Map(this.#entries.entries())
  }
}

async function* yieldCopies(entries: IndexPage): AsyncGenerator<IndexPage> {
  for (let at = 0; at < entries.length; at += PAGE_COUNT) {
    const page = entries.slice(at, at + PAGE_COUNT)
    yield page.map(([key, value]) => [key, Uint8Array.from(value)] as const)
  }
}
