/** The corruption campaign: `npm run corrupt -- [--seed N] [--minutes M]`. */
import { parseArgs } from 'node:util'
import { numberOf, readCommandLine } from '../support/command-line.ts'
import { Random, testSeed } from '../support/random.ts'
import { runCampaign } from './campaign.ts'
import { Tally } from './tally.ts'

const USAGE = `usage: npm run corrupt -- [options]

  --minutes M  how long; 5 by default
  --seed N     which damage
  --help`

const { seed, minutes } = readCommandLine(USAGE, (parameters) => {
  const { values } = parseArgs({
    args: [...parameters],
    options: { seed: { type: 'string' }, minutes: { type: 'string', default: '5' } },
  })
  return {
    seed: values.seed === undefined ? testSeed() : numberOf('seed', values.seed),
    minutes: numberOf('minutes', values.minutes),
  }
})
const random = new Random(seed)
process.stdout.write(`seed ${random.seed}\n`)
const tally = new Tally()
const caseCount = await runCampaign({
  random,
  milliseconds: minutes * 60_000,
  onCase: ({ kind }, verdict) => {
    tally.add(kind, verdict)
  },
})
process.stdout.write(`${tally.lines().join('\n')}\n${caseCount} cases, none of them wrong\n`)
