/** A queue of one at a time. Taking it costs no turn of the event loop while nobody holds it. */
export class Lock {
  private readonly waiters: (() => void)[] = []
  isHeld = false

  /** Resolves when the caller holds the lock, with what gives it back. */
  async acquire(): Promise<() => void> {
    if (this.isHeld) {
      await new Promise<void>((resolve) => {
        this.waiters.push(resolve)
      })
    }
    this.isHeld = true
    return () => {
      this.release()
    }
  }

  private release(): void {
    const next = this.waiters.shift()
    // Handed over without being free in between, so nobody overtakes.
    if (next === undefined) this.isHeld = false
    else next()
  }
}

/** Takes the locks of several files, always in the same order, so that nobody waits in a circle. */
export async function lockAll(
  files: readonly { readonly ino: number; readonly lock: Lock }[],
): Promise<() => void> {
  const [only] = files
  if (files.length === 1 && only !== undefined) return only.lock.acquire()
  const releases: (() => void)[] = []
  const locks = files.toSorted((a, b) => a.ino - b.ino).map(({ lock }) => lock)
  // All handles of an isolated file have one.
  for (const lock of new Set(locks)) {
    releases.push(await lock.acquire())
  }
  return () => {
    for (const release of releases.toReversed()) release()
  }
}
