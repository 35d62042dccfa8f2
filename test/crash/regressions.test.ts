/**
 * Goal: what once was wrong, or is of a kind that goes wrong, stays right. Method: each file of
 * `regressions/` is a workload; every crash of it, in its setup too, must leave an allowed state.
 * The campaign adds a file for each violation that it finds.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { testSeed } from '../support/random.ts'
import { examine } from './campaign/examine.ts'
import { REGRESSIONS, readRegression } from './campaign/regression-file.ts'
import { withoutImpossible } from './campaign/edits.ts'
import { Jury } from './jury.ts'
import { TIMEOUT } from './run-workload.ts'

const IMAGES = { randomCount: 3, omittedCount: 4, recoveryOneIn: 60, withSetup: true }

const names = readdirSync(REGRESSIONS).filter((name) => name.endsWith('.txt'))

test('there are workloads to replay', () => {
  assert.ok(names.length > 0)
})

for (const name of names) {
  test(`every crash of ${name} leaves an allowed state`, TIMEOUT, async (t) => {
    const workload = readRegression(join(REGRESSIONS, name))
    assert.deepEqual(withoutImpossible(workload), workload, 'every operation is possible')
    const jury = new Jury()
    const salt = testSeed()
    const { momentCount, finding } = await examine(workload, { jury, ...IMAGES, salt })
    assert.equal(finding, undefined, `OATOMIC_SEED=${salt}: ${JSON.stringify(finding)}`)
    t.diagnostic(`${jury.judgedCount} images, ${momentCount} moments, seed ${salt}`)
  })
}
