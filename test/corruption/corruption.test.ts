import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkSuperblocks } from '../../src/check/check-identity.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { readSuperblocks } from '../../src/volume/open.ts'
import { chooseSuperblock } from '../../src/store/superblock.ts'
import { flipBit } from '../check/edit-image.ts'
import { closedVolume } from '../check/populated.ts'
import { Random, testSeed } from '../support/random.ts'
import { runCampaign } from './campaign.ts'
import { Tally } from './tally.ts'

const SLICE_MS = 20_000

describe('corruption', () => {
  test('of any bit of a copy of the superblock is found, and the other copy counts', async () => {
    const { image } = await closedVolume()
    const device = new MemoryDevice(image)
    const right = chooseSuperblock('test', image.superblocks)
    for (const copy of [0, 1] as const) {
      for (let bit = 0; bit < 4096 * 8; bit++) {
        await device.writeSuperblock(copy, flipBit(image.superblocks[copy], bit))
        let found = ''
        checkSuperblocks(device, (invariant, severity) => (found += `${invariant} ${severity}`))
        assert.equal(found, 'F1 warning', `bit ${bit} of copy ${copy}`)
        assert.deepEqual(chooseSuperblock('test', readSuperblocks(device)), right)
      }
      await device.writeSuperblock(copy, image.superblocks[copy])
    }
  })

  test('shows nobody bytes that were never written, is found, and repaired', async (context) => {
    const random = new Random(testSeed())
    context.diagnostic(`seed ${random.seed}`)
    const tally = new Tally()
    const caseCount = await runCampaign({
      random,
      milliseconds: SLICE_MS,
      onCase: ({ kind }, verdict) => {
        tally.add(kind, verdict)
      },
    })
    for (const line of tally.lines()) context.diagnostic(line)
    assert.ok(caseCount > 0)
  })
})
