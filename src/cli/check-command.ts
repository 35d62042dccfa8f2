import { checkPath } from '../check/check-path.ts'
import type { CheckProgress } from '../check/check-volume.ts'
import { reportLines } from './check-report.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { printLines } from './output.ts'
import type { CommandLine } from './parse.ts'
import { runRepair } from './repair-command.ts'
import { realVolume, whenFree } from './when-free.ts'

const PROGRESS_EVERY_MS = 250

export async function runCheck(line: CommandLine): Promise<ExitCode> {
  const { positionals, flags } = line
  if (flags.has('repair')) return runRepair(line)
  if (flags.has('dry-run')) {
    throw new CommandError(EXIT.usage, '--dry-run goes with --repair; see oatomic check --help')
  }
  const json = flags.has('json')
  const showsProgress = process.stderr.isTTY && !json
  const options = {
    data: !flags.has('no-data'),
    ...(showsProgress && { onProgress: progressLine() }),
  }
  const volume = realVolume(positionals[0] ?? '')
  const report = await whenFree({ volume, purpose: 'check' }, () => checkPath(volume, options))
  if (showsProgress) process.stderr.write('\r\u001B[K')
  await printLines(json ? [JSON.stringify(report)] : reportLines(report))
  return report.isClean ? EXIT.ok : EXIT.damaged
}

/** Shows progress on one line of the terminal, a few times a second. */
function progressLine(): (progress: CheckProgress) => void {
  let shownAt = 0
  return ({ step, doneCount, totalCount }) => {
    const now = performance.now()
    if (now - shownAt < PROGRESS_EVERY_MS) return
    shownAt = now
    process.stderr.write(`\r\u001B[K${step}: ${doneCount} of ${totalCount}`)
  }
}
