/** A slice of the campaign on recorded disks: see disk-campaign.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { judgeDisk } from './disk-campaign.ts'
import { recordWorkload } from './disk-recording.ts'
import { Report } from './report.ts'

const TIMEOUT = { timeout: 240_000 }

for (const [kind, stateCount] of [
  ['ext4', 24],
  ['xfs', 8],
] as const) {
  test(`a volume on ${kind} is recovered after any power cut`, TIMEOUT, async (t) => {
    const random = new Random(testSeed())
    t.diagnostic(`seed ${random.seed}`)
    const report = new Report()
    const recording = await recordWorkload(kind, random, 60)
    await judgeDisk(recording, random, report, { stateCount })
    for (const line of report.lines()) t.diagnostic(line)
    assert.deepEqual(report.violations, [])
  })
}
