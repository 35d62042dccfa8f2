/**
 * The time of changes, which the kernel and this program take each from a clock of its own. The
 * kernel's has finer steps where somebody looks, so that ours, the coarse one, can lie behind a time
 * that the kernel has given a file before. So it never goes back behind what the kernel has told,
 * unless it was set back.
 */

/** Steps of the coarse clock are 10 ms at most. */
const STEP_NS_MAX = 20_000_000n

export class SharedClock {
  private readonly own: () => bigint
  private told = 0n

  /** `own` gives nanoseconds since 1970, and so does this. */
  constructor(own: () => bigint) {
    this.own = own
  }

  readonly now = (): bigint => {
    const now = this.own()
    return this.told > now && this.told - now < STEP_NS_MAX ? this.told : now
  }

  /** The kernel has given a file this time. */
  hear(timeNs: bigint): void {
    if (timeNs > this.told || this.told - timeNs > STEP_NS_MAX) this.told = timeNs
  }
}
