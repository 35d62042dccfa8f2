/**
 * The crash campaign: workloads, crashes of them at every event, and an oracle that knows what may be
 * left. Exit status: 0, 1 when a state was found that is not allowed or a worker has failed, 2 for a
 * wrong command line, 130 after Ctrl-C if nothing was found.
 */
import process from 'node:process'
import { testSeed } from '../../support/random.ts'
import { Jury } from '../jury.ts'
import { examine } from './examine.ts'
import { Manager } from './manager.ts'
import { type Options, USAGE, readOptions } from './options.ts'
import { REGRESSIONS, readRegression, writeRegression } from './regression-file.ts'
import { showProgress, showReport, showViolation, writeReport } from './report.ts'

const PROGRESS_MS = 1000

process.exitCode = await main(process.argv.slice(2))

async function main(parameters: string[]): Promise<number> {
  let options: Options
  try {
    options = readOptions(parameters, testSeed())
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`)
    return 2
  }
  if (options.help) {
    print(USAGE)
    return 0
  }
  return options.replay === undefined ? runCampaign(options) : replay(options.replay)
}

async function runCampaign(options: Options): Promise<number> {
  const manager = new Manager(options)
  const { sequences } = manager
  process.on('SIGINT', () => {
    manager.stop('Ctrl-C')
  })
  print(
    `Seed ${options.seed}; sequences of one, two and three operations: ${sequences.one}, ${sequences.two}, ${sequences.three}`,
  )
  manager.onViolation = (violation) => {
    const path = writeRegression(REGRESSIONS, violation)
    print(`\n${showViolation(violation).join('\n')}kept as ${path}`)
  }
  const progress = setInterval(() => {
    if (!process.stdout.isTTY) return
    const { totals, seconds, violations } = manager
    process.stdout.write(`\r\u001b[K${showProgress(totals, seconds, violations.length)}`)
  }, PROGRESS_MS)
  const report = await manager.run()
  clearInterval(progress)
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K')
  print(showReport(report))
  for (const path of options.reports) writeReport(path, report)
  if (report.violations.length > 0 || manager.hasFailed) return 1
  return report.end === 'Ctrl-C' ? 130 : 0
}

/** Tries one workload more thoroughly than a campaign does. */
async function replay(path: string): Promise<number> {
  const jury = new Jury()
  const options = {
    jury,
    randomCount: 6,
    omittedCount: 8,
    recoveryOneIn: 20,
    salt: 1,
    withSetup: true,
  }
  const { momentCount, finding } = await examine(readRegression(path), options)
  print(`${momentCount} events, ${jury.judgedCount} states judged`)
  if (finding === undefined) return 0
  print(`${finding.where}\n${finding.difference}`)
  return 1
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
