/** What a campaign tells people: a table of targets, and each finding with its input. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from './kit/finding.ts'
import { inputToText } from './kit/input-codec.ts'
import type { SliceResult } from './kit/supervise.ts'

/** Sums of all slices of a target. */
export class Totals {
  private readonly rows = new Map<string, SliceResult[]>()
  readonly findings = new Map<string, Finding>()

  add(result: SliceResult): readonly Finding[] {
    this.rows.set(result.target, [...(this.rows.get(result.target) ?? []), result])
    const fresh: Finding[] = []
    for (const finding of result.findings) {
      const key = `${finding.target} ${finding.signature}`
      if (this.findings.has(key)) continue
      this.findings.set(key, finding)
      fresh.push(finding)
    }
    return fresh
  }

  get inputCount(): number {
    return [...this.rows.values()].flat().reduce((sum, { inputCount }) => sum + inputCount, 0)
  }

  *lines(): Generator<string, void> {
    const columns = ['target', 'inputs', 'per second', 'kept for new code', 'blocks', 'findings']
    yield columns.map((column, i) => (i === 0 ? column.padEnd(24) : column.padStart(18))).join('')
    for (const [target, results] of this.rows) {
      const sum = (of: (result: SliceResult) => number): number =>
        results.reduce((total, result) => total + of(result), 0)
      const inputs = sum(({ inputCount }) => inputCount)
      const findings = [...this.findings.values()].filter((each) => each.target === target)
      const cells = [
        inputs,
        Math.round(inputs / (sum(({ timeMs }) => timeMs) / 1000)),
        sum(({ newCoverageCount }) => newCoverageCount),
        Math.max(...results.map(({ coveredCount }) => coveredCount)),
        findings.length,
      ]
      yield target.padEnd(24) + cells.map((cell) => String(cell).padStart(18)).join('')
    }
  }
}

/** A finding as a file that the regression test reads. */
export function storeFinding(folder: string, finding: Finding): string {
  const { target, signature, seed, input } = finding
  mkdirSync(folder, { recursive: true })
  const words = signature.toLowerCase().replaceAll(/[^a-z]+/g, '-')
  const path = join(folder, `${target}-${words.slice(0, 60).replaceAll(/^-|-$/g, '')}.json`)
  const items = inputToText(input)
  writeFileSync(path, `${JSON.stringify({ target, signature, seed, items }, null, 2)}\n`)
  return path
}
