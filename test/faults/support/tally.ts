/** Which calls have failed, by phase and kind. */
import type { TestContext } from 'node:test'
import type { CallKind } from '../../support/devices/faulty-device.ts'

interface Row {
  readonly kind: CallKind
  readonly calls: Set<number>
  readonly struck: Set<number>
  caseCount: number
}

export class Tally {
  readonly #rows = new Map<string, Row>()

  /** The n-th call of a phase is of this kind. */
  call(phase: string, kind: CallKind, n: number): void {
    this.#row(phase, kind).calls.add(n)
  }

  struck(phase: string, kind: CallKind, n: number): void {
    const row = this.#row(phase, kind)
    row.struck.add(n)
    row.caseCount++
  }

  /** Kinds of calls of a phase of which not enough have failed: all or, unless `needsAll`, one. */
  missed(needsAll: (kind: CallKind) => boolean): string[] {
    return [...this.#rows].flatMap(([name, { kind, calls, struck }]) => {
      const needed = needsAll(kind) ? calls.size : Math.min(1, calls.size)
      return struck.size < needed ? [`${name}: ${struck.size} of ${calls.size}`] : []
    })
  }

  print(context: TestContext): void {
    let total = 0
    for (const [name, { calls, struck, caseCount }] of this.#rows) {
      total += caseCount
      context.diagnostic(
        `${name.padEnd(40)} ${struck.size}/${calls.size} calls, ${caseCount} cases`,
      )
    }
    context.diagnostic(`${total} cases`)
  }

  #row(phase: string, kind: CallKind): Row {
    const name = `${phase}: ${kind}`
    let row = this.#rows.get(name)
    if (row === undefined) {
      row = { kind, calls: new Set(), struck: new Set(), caseCount: 0 }
      this.#rows.set(name, row)
    }
    return row
  }
}
