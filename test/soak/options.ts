import { parseArgs } from 'node:util'
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

const USAGE = 'npm run soak -- [--minutes M] [--seed N] [--keep]'

/** Reads the command line. Throws an Error that says what is wrong with it. */
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
    minutes: positive('minutes', values.minutes),
    seed: positive('seed', values.seed),
    keep: values.keep,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0) return value
  throw new Error(`--${name} takes a number, not "${text}"; usage: ${USAGE}`)
}
