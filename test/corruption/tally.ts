import type { DamageKind } from './damages.ts'
import type { Verdict } from './judge.ts'

/** How the cases of each kind have ended. */
export class Tally {
  private readonly counts = new Map<DamageKind, Map<string, number>>()

  add(kind: DamageKind, verdict: Verdict): void {
    const counts = this.counts.get(kind) ?? new Map<string, number>()
    this.counts.set(kind, counts)
    const marks = [
      'cases',
      ...(['found', 'refused', 'unharmed', 'unseen'] as const).filter((mark) => verdict[mark]),
      `repair: ${verdict.repaired}`,
    ]
    for (const mark of marks) counts.set(mark, (counts.get(mark) ?? 0) + 1)
  }

  lines(): string[] {
    return [...this.counts].map(
      ([kind, counts]) =>
        `${kind}: ${[...counts].map(([mark, count]) => `${count} ${mark}`).join(', ')}`,
    )
  }
}
