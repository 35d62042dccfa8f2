/**
 * Whether waiting for the disk on the main thread is worth it. It saves two thread switches, about
 * 50 µs of a commit, but nothing else is served meanwhile: so only while the disk answers quickly.
 */

/** A commit that took longer is a stall. */
const QUICK_MS = 1

/** After a stall this many commits are waited for aside. */
const COMMITS_ASIDE = 32

export class Pace {
  private aside = 0

  get isQuick(): boolean {
    return this.aside === 0
  }

  /** Takes note of how long the disk took for one commit. */
  note(durationMs: number): void {
    if (durationMs > QUICK_MS) this.aside = COMMITS_ASIDE
    else if (this.aside > 0) this.aside--
  }
}
