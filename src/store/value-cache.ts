/**
 * A cache of short values of the index, and of keys that it does not have: a name is looked up several times
 * before it leads to anything, and each time costs the index more than all the rest does. Whoever changes a key
 * drops it; so leaves of extent maps, which are written to the index by themselves, are none of these.
 */
const COUNT_MAX = 4096
/** Entries of directories are shorter; most of what is longer has a cache of its own. */
const LENGTH_MAX = 64

export class ValueCache {
  readonly #read: (key: string) => Uint8Array | undefined
  /** In the order in which they were read. */
  readonly #values = new Map<string, Uint8Array | undefined>()

  /** `read` asks the index, and may throw. */
  constructor(read: (key: string) => Uint8Array | undefined) {
    this.#read = read
  }

  get(key: string): Uint8Array | undefined {
    const kept = this.#values.get(key)
    if (kept !== undefined || this.#values.has(key)) return kept
    const value = this.#read(key)
    if ((value?.length ?? 0) <= LENGTH_MAX) this.#keep(key, value)
    return value
  }

  /** From here on the index is asked again. */
  drop(key: string): void {
    this.#values.delete(key)
  }

  #keep(key: string, value: Uint8Array | undefined): void {
    this.#values.set(key, value)
    if (this.#values.size <= COUNT_MAX) return
    const [oldest] = this.#values.keys()
    if (oldest !== undefined) this.#values.delete(oldest)
  }
}
