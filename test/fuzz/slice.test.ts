/**
 * Goal: whatever comes from the kernel, from the disk, from /proc or from a command line ends in an
 * answer or an error. Method: a slice of the campaign of `npm run fuzz`, here without watching for
 * hangs. OATOMIC_SEED repeats one.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { testSeed } from '../support/random.ts'
import { runCampaign } from './kit/campaign.ts'
import { TARGETS } from './targets/all.ts'

const INPUTS = 400
const INPUTS_SLOW = 60
const SLOW_WEIGHT = 10
/** A machine under load tries less. */
const TIME_MS_MAX = 3000

describe('hostile input', () => {
  for (const target of TARGETS) {
    const seed = testSeed()
    test(`${target.name} ends in order or in an FsError (seed ${seed})`, async () => {
      const inputCountMax = target.weight >= SLOW_WEIGHT ? INPUTS_SLOW : INPUTS
      const { findings } = await runCampaign(target, {
        seed,
        inputCountMax,
        timeMsMax: TIME_MS_MAX,
      })
      assert.deepEqual(
        findings.map(({ message }) => message),
        [],
      )
    })
  }
})
