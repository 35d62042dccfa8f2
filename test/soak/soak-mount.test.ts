/** A short soak: the whole of it, with what a few kills can show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testSeed } from '../support/random.ts'
import { isGood, reportLines } from './report.ts'
import { Soak } from './soak.ts'

const MINUTES = 0.3
const TEST = { timeout: 240_000 }

test('a mount comes back from kills with all that was acknowledged', TEST, async (context) => {
  const seed = testSeed()
  context.diagnostic(`OATOMIC_SEED=${seed}`)
  const result = await Soak.run({
    minutes: MINUTES,
    seed,
    keep: false,
    gapMs: [300, 2500],
    roundCount: 1,
    calmShare: 0,
  })
  const report = reportLines(result)
  for (const line of report) context.diagnostic(line)
  assert.ok(isGood(result), report.join('\n'))
  assert.ok(result.harm.daemonKills > 0 && result.harm.workerKills > 0, 'something was killed')
  assert.ok(
    [...result.counts.values()].some((count) => count > 0),
    'somebody has worked',
  )
})
