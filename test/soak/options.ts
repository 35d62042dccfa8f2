import { parseArgs } from 'node:util'
import { numberOf } from '../support/command-line.ts'
import { testSeed } from '../support/random.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  /** Keep the volume and the notes even if nothing is wrong. */
  readonly keep: boolean
  /** Milliseconds of peace between two acts of violence, at least and at most. */
  readonly gapMs: readonly [number, number]
  /** How often a phase with kills and a phase without follow each other. */
  readonly roundCount: number
  /** Part of a round that has no kills. */
  readonly calmShare: number
}

const DEFAULTS = { gapMs: [500, 8000], roundCount: 1, calmShare: 0.25 } as const

export const USAGE = `usage: npm run soak -- [options]

  --minutes M  how long; 5 by default, and for the growth of the daemon at least 12
  --seed N     what is done; when programs get there it does not repeat
  --keep       keeps the volume, the notes and the log even if nothing is wrong
  --help`

/** Reads the command line. Throws TypeError with what is wrong with it. */
export function parseSoakOptions(parameters: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(testSeed()) },
      keep: { type: 'boolean', default: false },
    },
  })
  return {
    ...DEFAULTS,
    minutes: numberOf('minutes', values.minutes),
    seed: numberOf('seed', values.seed),
    keep: values.keep,
  }
}
