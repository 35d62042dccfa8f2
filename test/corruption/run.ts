/** The corruption campaign: `npm run corrupt -- [--seed N] [--minutes M]`. */
import { parseArgs } from 'node:util'
import { Random, testSeed } from '../support/random.ts'
import { runCampaign } from './campaign.ts'
import { Tally } from './tally.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, minutes: { type: 'string', default: '5' } },
})
const random = new Random(values.seed === undefined ? testSeed() : Number(values.seed))
process.stdout.write(`seed ${random.seed}\n`)
const tally = new Tally()
const caseCount = await runCampaign({
  random,
  milliseconds: Number(values.minutes) * 60_000,
  onCase: ({ kind }, verdict) => {
    tally.add(kind, verdict)
  },
})
process.stdout.write(`${tally.lines().join('\n')}\n${caseCount} cases, none of them wrong\n`)
