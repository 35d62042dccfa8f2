import type { CheckReport } from '../check/check-volume.ts'

/** What a check has found, for people. */
export function* reportLines(report: CheckReport): Generator<string, void> {
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
