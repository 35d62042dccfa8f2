/**
 * Runs work that blocks a thread of the pool until the filesystem has answered, only a few at a
 * time: answering may itself need a thread, and if all of them waited none would be left.
 */
export class Lane {
  readonly #width: number
  #runningCount = 0
  readonly #waiting: (() => void)[] = []

  /** Requires: the pool has more than `width` threads. */
  constructor(width: number) {
    this.#width = width
  }

  async run<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#runningCount >= this.#width) {
      // Whoever finishes hands its place over.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#runningCount++
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#runningCount--
      else next()
    }
  }
}

/** What libuv reads when its first thread starts, and its own limits. */
const POOL_DEFAULT = 4
const POOL_MAX = 1024

/** How many threads the pool has, with the environment that this program was started in. */
export function poolThreadCount(value: string | undefined): number {
  if (value === undefined) return POOL_DEFAULT
  const count = parseInt(value, 10)
  return Number.isNaN(count) || count === 0 ? 1 : Math.min(count < 0 ? POOL_MAX : count, POOL_MAX)
}
