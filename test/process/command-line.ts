/** What a campaign is asked to do. */
import { parseArgs } from 'node:util'
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

const USAGE =
  'npm run crash:process -- [--seed N] [--states N] [--minutes M] [--method calls|disk] [--fs ext4|xfs]'

/** Throws an Error with the usage for what it does not understand. */
export function readSettings(parameters: readonly string[], seed: number): CampaignSettings {
  const string = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...parameters],
    options: { seed: string, states: string, minutes: string, method: string, fs: string },
  })
  const stateCount = number(values.states, Infinity)
  return {
    seed: number(values.seed, seed),
    stateCount,
    minutes: number(values.minutes, stateCount === Infinity ? 5 : Infinity),
    methods: choose(values.method, ['calls', 'disk']),
    hosts: choose(values.fs, ['ext4', 'xfs']),
  }
}

function number(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (text.trim() !== '' && value >= 0) return value
  throw new Error(`"${text}" is not a number; usage: ${USAGE}`)
}

function choose<Choice extends string>(text: string | undefined, all: readonly Choice[]): Choice[] {
  const chosen = all.filter((choice) => text === undefined || choice === text)
  if (chosen.length > 0) return chosen
  throw new Error(`"${text}" is none of ${all.join(', ')}; usage: ${USAGE}`)
}
