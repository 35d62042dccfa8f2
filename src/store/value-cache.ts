/**
 * Short values of the index that were asked for lately, and keys that it does not have: a name is looked up
 * several times before it leads to anything, and each time costs the index more than all the rest does.
 * Whoever changes a key says so; leaves of extent maps, which their own cache writes to the index, are not here.
 */
import type { Index } from '../device/device.ts'

const COUNT_MAX = 4096
/** Entries of directories are shorter; most of what is longer has a cache of its own. */
const LENGTH_MAX = 64

export class RecentValues {
  readonly #index: Index
  /** In the order in which they were read. */
  readonly #values = new Map<string, Uint8Array | undefined>()

  constructor(index: Index) {
    this.#index = index
  }

  /** As the index gives it; `open` checks what is read from there, and may throw. */
  get(key: string, open: (value: Uint8Array) => Uint8Array): Uint8Array | undefined {
    const recent = this.#values.get(key)
    if (recent !== undefined || this.#values.has(key)) return recent
    const value = this.#index.get(key)
    const body = value === undefined ? undefined : open(value)
    if ((body?.length ?? 0) <= LENGTH_MAX) this.#keep(key, body)
    return body
  }

  /** Whoever reads a key from the index again will find something else. */
  forget(key: string): void {
    this.#values.delete(key)
  }

  #keep(key: string, body: Uint8Array | undefined): void {
    this.#values.set(key, body)
    if (this.#values.size <= COUNT_MAX) return
    const [oldest] = this.#values.keys()
    if (oldest !== undefined) this.#values.delete(oldest)
  }
}
