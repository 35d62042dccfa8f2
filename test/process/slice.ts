import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { Report } from './report.ts'

const TIMEOUT = { timeout: 240_000 }

/** A part of a campaign that is short enough for every run of the tests. */
export function slice(name: string, work: (random: Random, report: Report) => Promise<void>): void {
  void test(name, TIMEOUT, async (t) => {
    const random = new Random(testSeed())
    t.diagnostic(`seed ${random.seed}`)
    const report = new Report()
    await work(random, report)
    for (const line of report.lines()) t.diagnostic(line)
    assert.ok(report.stateCount > 0)
    assert.deepEqual(report.violations, [])
  })
}
