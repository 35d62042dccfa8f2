/** The command line of the campaign. */
import { parseArgs } from 'node:util'

export const USAGE = `usage: npm run crash -- [options]

  --seed N         which sequences come first, and what the random ones are
  --states N       ends after so many judged states
  --minutes N      ends after so many minutes; 5 without any limit
  --all            every sequence of one to three operations once, however long it takes
  --jobs N         processes; 2 by default
  --level PERCENT  part of the time for volumes on a real LevelDB; 10 by default
  --report FILE    writes the report, as JSON if the name ends so, else as Markdown; may be repeated
  --replay FILE    tries the workload of this file, and nothing else
  --help`

export interface Options {
  readonly seed: number
  /** 0: no limit. */
  readonly stateCount: number
  readonly minutes: number
  readonly all: boolean
  readonly jobCount: number
  readonly levelPart: number
  readonly reports: readonly string[]
  readonly replay: string | undefined
  readonly help: boolean
}

const MINUTES_DEFAULT = 5

/** Throws TypeError with what is wrong. */
export function readOptions(parameters: string[], randomSeed: number): Options {
  const { values } = parseArgs({
    args: parameters,
    options: {
      seed: { type: 'string' },
      states: { type: 'string', default: '0' },
      minutes: { type: 'string' },
      all: { type: 'boolean', default: false },
      jobs: { type: 'string', default: '2' },
      level: { type: 'string', default: '10' },
      report: { type: 'string', multiple: true, default: [] },
      replay: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const stateCount = numberOf('states', values.states)
  const isLimited = values.all || stateCount > 0
  const minutes = numberOf('minutes', values.minutes ?? (isLimited ? '0' : `${MINUTES_DEFAULT}`))
  const jobCount = numberOf('jobs', values.jobs)
  if (jobCount < 1) throw new TypeError('--jobs needs at least 1')
  return {
    seed: values.seed === undefined ? randomSeed : numberOf('seed', values.seed),
    stateCount,
    minutes,
    all: values.all,
    jobCount,
    levelPart: numberOf('level', values.level) / 100,
    reports: values.report,
    replay: values.replay,
    help: values.help,
  }
}

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number) || number < 0) {
    throw new TypeError(`--${name} needs a number, not "${text}"`)
  }
  return number
}
