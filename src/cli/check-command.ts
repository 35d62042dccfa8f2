import { resolve } from 'node:path'
import { checkPath } from '../check/check-path.ts'
import type { CheckProgress, CheckReport } from '../check/check-volume.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { printLines } from './output.ts'
import type { CommandLine } from './parse.ts'

const PROGRESS_EVERY_MS = 250

export async function runCheck({ positionals, flags }: CommandLine): Promise<ExitCode> {
  const json = flags.has('json')
  const showsProgress = process.stderr.isTTY && !json
  const report = await checkPath(resolve(positionals[0] ?? ''), {
    data: !flags.has('no-data'),
    ...(showsProgress && { onProgress: progressLine() }),
  })
  if (showsProgress) process.stderr.write('\r\u001B[K')
  await printLines(json ? [JSON.stringify(report)] : reportLines(report))
  return report.isClean ? EXIT.ok : EXIT.damaged
}

function* reportLines(report: CheckReport): Generator<string, void> {
  for (const { invariant, severity, message } of report.findings) {
    yield `${severity} ${invariant}: ${message}`
  }
  const hidden = report.findingCount - report.findings.length
  if (hidden > 0) yield `and ${hidden} findings more of the same kinds`
  if (!report.isComplete) yield 'What is lost keeps everything else from being looked at'
  if (report.recordCount > 0) {
    yield `The volume was not closed in order: the next mount replays ${report.recordCount} commits`
  }
  const result = report.isClean ? 'clean' : `${report.findingCount} findings`
  const seconds = (report.timeMs / 1000).toFixed(1)
  yield (
    `${result}: ${report.inodeCount} inodes, ${report.mappedCount} blocks in use, ` +
    `${report.verifiedCount} compared with their checksums, ${seconds} s`
  )
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
