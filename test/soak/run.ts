/**
 * Hours in the life of a mount, in minutes:
 *
 *   npm run soak -- [--minutes M] [--seed N] [--keep]
 *
 * Ends with 1 when anything was wrong; volume and notes are kept then.
 */
import { readCommandLine } from '../support/command-line.ts'
import { USAGE, parseSoakOptions } from './options.ts'
import { isGood, reportLines } from './report.ts'
import { Soak } from './soak.ts'

const options = readCommandLine(USAGE, parseSoakOptions)
process.stdout.write(`soak: ${options.minutes} minutes, --seed ${options.seed}\n`)
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted.abort()
  })
}
const result = await Soak.run(options, interrupted.signal)
process.stdout.write(`${reportLines(result).join('\n')}\n`)
process.exitCode = isGood(result) ? 0 : 1
