/** An index in memory. */
import type { Index, IndexOp } from './device.ts'
import { OneBatch } from './one-batch.ts'
import { OrderedMap } from './ordered-map.ts'

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

  range(from: string, to: string): AsyncIterable<readonly [key: string, value: Uint8Array]> {
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

async function* yieldCopies(
  entries: readonly (readonly [string, Uint8Array])[],
): AsyncGenerator<readonly [string, Uint8Array]> {
  for (const [key, value] of entries) yield [key, Uint8Array.from(value)]
}
