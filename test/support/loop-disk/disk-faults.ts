/** What is to go wrong with a disk: requests of a kind that fail, or that get no answer. */
import { FsError } from '../../../src/errors.ts'

export type RequestKind = 'read' | 'write' | 'flush'

export interface Failure {
  readonly kind: RequestKind
  /** How many requests of the kind succeed before; 0 if absent. */
  readonly after?: number
  /** How many fail then; all if absent. */
  readonly count?: number
  readonly errno: 'EIO' | 'ENOSPC'
}

export class DiskFaults {
  #failures: { readonly failure: Failure; seenCount: number }[] = []
  readonly #hanging = new Set<RequestKind>()
  readonly #waiting: (() => void)[] = []

  fail(failure: Failure): void {
    this.#failures.push({ failure, seenCount: 0 })
  }

  hang(kind: RequestKind): void {
    this.#hanging.add(kind)
  }

  /** From here on everything works, and what waits goes on. */
  heal(): void {
    this.#failures = []
    this.#hanging.clear()
    for (const goOn of this.#waiting.splice(0)) goOn()
  }

  /** How many requests wait. */
  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Comes before each request. Throws FsError, or resolves later if the disk hangs. */
  pass(kind: RequestKind): Promise<void> | undefined {
    this.#check(kind)
    if (!this.#hanging.has(kind)) return undefined
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #check(kind: RequestKind): void {
    for (const entry of this.#failures) {
      const { after = 0, count = Infinity, errno, kind: failing } = entry.failure
      if (failing !== kind) continue
      const index = entry.seenCount++ - after
      if (index >= 0 && index < count) throw new FsError(errno, `This ${kind} is to fail`)
    }
  }
}
