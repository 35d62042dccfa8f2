/** What a campaign is asked to do. */
import { parseArgs } from 'node:util'
import { numberOf } from '../support/command-line.ts'
import type { HostKind } from '../support/loop-disk/host-filesystem.ts'

export type Method = 'calls' | 'disk'

export interface CampaignSettings {
  readonly seed: number
  /** States in all; as many as there is time for if absent. */
  readonly stateCount: number
  /** When to stop. */
  readonly minutes: number
  readonly methods: readonly Method[]
  readonly hosts: readonly HostKind[]
}

export const USAGE = `usage: npm run crash:process -- [options]

  --minutes M          how long; 5 by default
  --states N           ends after so many judged states
  --seed N             which workloads
  --method calls|disk  by recording file calls, or below a filesystem; both by default
  --fs ext4|xfs        the filesystem on the disk; both by default
  --help`

/** Throws TypeError for what it does not understand. */
export function readSettings(parameters: readonly string[], seed: number): CampaignSettings {
  const string = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...parameters],
    options: { seed: string, states: string, minutes: string, method: string, fs: string },
  })
  const stateCount = values.states === undefined ? Infinity : numberOf('states', values.states)
  return {
    seed: values.seed === undefined ? seed : numberOf('seed', values.seed),
    stateCount,
    minutes:
      values.minutes !== undefined
        ? numberOf('minutes', values.minutes)
        : stateCount === Infinity
          ? 5
          : Infinity,
    methods: choose(values.method, ['calls', 'disk']),
    hosts: choose(values.fs, ['ext4', 'xfs']),
  }
}

function choose<Choice extends string>(text: string | undefined, all: readonly Choice[]): Choice[] {
  const chosen = all.filter((choice) => text === undefined || choice === text)
  if (chosen.length > 0) return chosen
  throw new TypeError(`"${text}" is none of ${all.join(', ')}`)
}
