/** What a campaign has found: how many states of each kind were judged, and which were wrong. */

const MESSAGE_LENGTH = 1500

export class Report {
  readonly violations: string[] = []
  readonly #counts = new Map<string, number>()
  readonly #started = performance.now()

  get stateCount(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Judges one state; what `judge` throws is a violation. `name` is enough to find it again. */
  async judge(kind: string, name: string, judge: () => Promise<void>): Promise<void> {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1)
    try {
      await judge()
    } catch (error) {
      this.violations.push(`${kind}, ${name}: ${String(error).slice(0, MESSAGE_LENGTH)}`)
    }
  }

  /** One line for each kind, and one for all. */
  lines(): string[] {
    const seconds = (performance.now() - this.#started) / 1000
    const kinds = [...this.#counts].map(([kind, count]) => `${kind}: ${count} states`).toSorted()
    const rate = (this.stateCount / seconds).toFixed(1)
    const all = `${this.stateCount} states in ${seconds.toFixed(1)} s, ${rate} a second`
    return [...kinds, `${all}, ${this.violations.length} violations`]
  }
}
