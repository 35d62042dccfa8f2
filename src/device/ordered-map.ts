/**
 * A map that also gives its keys in order. New keys are sorted and merged only when an order is
 * asked for, so that loading many keys costs one sort.
 */
export class OrderedMap<Value> {
  readonly #values: Map<string, Value>
  #sorted: string[] = []
  #added: Set<string>
  #removedCount = 0

  constructor(entries?: Iterable<readonly [string, Value]>) {
    this.#values = new Map(entries)
    this.#added = new Set(this.#values.keys())
  }

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) this.#added.add(key)
    this.#values.set(key, value)
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return
    if (!this.#added.delete(key)) this.#removedCount += 1
  }

  entries(): Iterable<[string, Value]> {
    return this.#values.entries()
  }

  /** A copy of the entries with `from <= key < to`, in order. */
  slice(from: string, to: string): (readonly [string, Value])[] {
    this.#sort()
    const end = lowerBound(this.#sorted, to)
    const found: (readonly [string, Value])[] = []
    for (let index = lowerBound(this.#sorted, from); index < end; index++) {
      const key = this.#sorted[index] ?? ''
      const value = this.#values.get(key)
      if (value !== undefined) found.push([key, value])
    }
    return found
  }

  #sort(): void {
    if (this.#added.size === 0 && this.#removedCount === 0) return
    // A key that was removed and added again is in both.
    const kept = this.#sorted.filter((key) => this.#values.has(key) && !this.#added.has(key))
    this.#sorted = merge(kept, [...this.#added].toSorted(compare))
    this.#added = new Set()
    this.#removedCount = 0
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

function merge(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = []
  let next = 0
  for (const key of a) {
    for (let other = b[next]; other !== undefined && other < key; other = b[next]) {
      merged.push(other)
      next += 1
    }
    merged.push(key)
  }
  for (; next < b.length; next++) merged.push(b[next] ?? '')
  return merged
}

/** Index of the first key that is not before `key`. */
function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? '') < key) low = middle + 1
    else high = middle
  }
  return low
}
