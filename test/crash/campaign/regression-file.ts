/** Workloads that once showed a fault, or a kind of it, kept as files that are replayed by each test. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workload } from './operations.ts'
import type { Violation } from './campaign.ts'
import { parseWorkload, printOperations, printWorkload } from './text.ts'

/** In the sources, not beside the compiled program. */
export const REGRESSIONS = join(import.meta.dirname, '../../../../test/crash/regressions')

const NAME_LENGTH_MAX = 60

/** Writes what a campaign has found; returns where. */
export function writeRegression(folder: string, violation: Violation): string {
  const { workload, finding, seed } = violation
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${nameOf(workload)}.txt`)
  const lines = [
    `Every crash must leave an allowed state. Found with seed ${seed}, ${finding.where}:`,
    ...finding.difference.split('\n'),
  ]
  const comment = lines.map((line) => `# ${line.trimEnd()}\n`).join('')
  writeFileSync(path, `${comment}${printWorkload(workload)}\n`)
  return path
}

/** Throws SyntaxError for a file that holds no workload. */
export function readRegression(path: string): Workload {
  const lines = readFileSync(path, 'utf8').split('\n')
  const text = lines.filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const [line, ...more] = text
  if (line === undefined || more.length > 0) {
    throw new SyntaxError(`${path}: one line that is no comment is the workload`)
  }
  return parseWorkload(line)
}

/** The operations, and a mark that tells workloads of the same ones apart. */
function nameOf(workload: Workload): string {
  const types = workload.operations.map(({ type }) => type).join('-')
  const mark = createHash('sha1').update(printOperations(workload.operations)).digest('hex')
  return `${types.slice(0, NAME_LENGTH_MAX)}-${mark.slice(0, 6)}`
}
