/** The command line of a campaign. */
import { parseArgs } from 'node:util'
import { numberOf } from '../support/command-line.ts'
import { testSeed } from '../support/random.ts'
import type { Target } from './kit/target.ts'

export interface CampaignPlan {
  readonly targets: readonly Target[]
  readonly seed: number
  readonly minutes: number
  /** For each target; Infinity if only the time counts. */
  readonly inputs: number
  readonly jobs: number
  readonly withCoverage: boolean
}

export const USAGE = `usage: npm run fuzz -- [TARGET...] [options]

  --minutes M    how long in all; 10 by default
  --inputs N     ends a target after so many inputs
  --seed N       which inputs
  --jobs J       processes; 2 by default
  --no-coverage  does not measure which code inputs reach
  --help`

/** Targets are named whole or by how they begin. Throws what to tell the user. */
export function parsePlan(parameters: readonly string[], all: readonly Target[]): CampaignPlan {
  const { values, positionals } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '10' },
      inputs: { type: 'string' },
      seed: { type: 'string', default: String(testSeed()) },
      jobs: { type: 'string', default: '2' },
      'no-coverage': { type: 'boolean', default: false },
    },
  })
  return {
    targets: chooseTargets(positionals, all),
    seed: numberOf('seed', values.seed),
    minutes: numberOf('minutes', values.minutes),
    inputs: values.inputs === undefined ? Infinity : numberOf('inputs', values.inputs),
    jobs: Math.max(1, numberOf('jobs', values.jobs)),
    withCoverage: !values['no-coverage'],
  }
}

function chooseTargets(names: readonly string[], all: readonly Target[]): readonly Target[] {
  if (names.length === 0) return all
  for (const name of names) {
    if (all.some((target) => target.name.startsWith(name))) continue
    const known = all.map((target) => target.name).join(', ')
    throw new Error(`Cannot fuzz "${name}": the targets are ${known}`)
  }
  return all.filter((target) => names.some((name) => target.name.startsWith(name)))
}
