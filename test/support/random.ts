/** Random choices that a seed repeats. */
import { invariant } from '../../src/errors.ts'

export class Random {
  readonly seed: number
  #state: number

  constructor(seed: number) {
    this.seed = seed >>> 0
    this.#state = this.seed
  }

  /** The next 32 bits: a Weyl sequence, mixed by multiplication and shifts. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  /** A whole number from 0 up to, not including, `end`. */
  int(end: number): number {
    invariant(end > 0, 'there is a number to choose')
    return Math.floor((this.next() / 2 ** 32) * end)
  }

  /** True once in `times` on average. */
  oneIn(times: number): boolean {
    return this.int(times) === 0
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.int(items.length)]
    invariant(item !== undefined, 'the picked item exists')
    return item
  }

  bytes(lengthBytes: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(lengthBytes / 4))
    for (let index = 0; index < words.length; index++) words[index] = this.next()
    return new Uint8Array(words.buffer, 0, lengthBytes)
  }

  /** A copy in random order. */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const left = [...items]
    const shuffled: Item[] = []
    while (left.length > 0) shuffled.push(...left.splice(this.int(left.length), 1))
    return shuffled
  }

  /** An independent source, so that one part's choices do not move another's. */
  fork(): Random {
    return new Random(this.next())
  }
}

/** The seed of a random test: OATOMIC_SEED, or a new one; print it. */
export function testSeed(): number {
  return Number(process.env['OATOMIC_SEED'] ?? Date.now() % 1_000_000_007)
}
