/** What a check has found; counted without limit, kept up to one. */
import type { Ino } from '../store/inode.ts'
import type { InvariantNumber } from './invariants.ts'

/** `warning`: nothing is lost or wrong yet, as with one bad copy of two or a block that leaks. */
export type Severity = 'error' | 'warning'

export interface Finding {
  readonly invariant: InvariantNumber
  readonly severity: Severity
  /** Names the inode with its path, and the place in it. */
  readonly message: string
}

/** A finding whose inode has no path yet. */
export interface RawFinding {
  readonly invariant: InvariantNumber
  readonly severity: Severity
  readonly text: string
  readonly ino: Ino | undefined
}

/** Takes what is found. */
export type Sink = (invariant: InvariantNumber, severity: Severity, text: string, ino?: Ino) => void

/** Findings kept of each invariant. */
const KEPT_MAX = 1000

export class Findings {
  readonly kept: RawFinding[] = []
  readonly counts = new Map<InvariantNumber, number>()
  private readonly known = new Set<string>()

  /** Counts a finding once, however many passes come across it. */
  readonly add: Sink = (invariant, severity, text, ino) => {
    const identity = `${invariant} ${ino ?? ''} ${text}`
    if (this.known.has(identity)) return
    const count = (this.counts.get(invariant) ?? 0) + 1
    this.counts.set(invariant, count)
    if (count > KEPT_MAX) return
    this.known.add(identity)
    this.kept.push({ invariant, severity, text, ino })
  }

  get isEmpty(): boolean {
    return this.counts.size === 0
  }

  get totalCount(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }
}
