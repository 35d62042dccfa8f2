/** What the daemon says of a scrub, for people. */
import type { ScrubFinding } from '../scrub/parts.ts'

export interface ScrubReport {
  readonly state: string
  readonly doneBytes: number
  readonly totalBytes: number
  readonly rateBytes: number
  readonly findingCount: number
  readonly mendedCount: number
  /** The first of them. */
  readonly findings: readonly ScrubFinding[]
}

/** Reads the lines of the attribute. */
export function parseScrub(text: string): ScrubReport {
  const fields = new Map<string, string>()
  const findings: ScrubFinding[] = []
  for (const line of text.split('\n')) {
    const at = line.indexOf('=')
    const value = line.slice(at + 1)
    // eslint-disable-next-line typescript/no-unsafe-type-assertion -- written by fs/scrub-control.ts
    if (line.startsWith('finding=')) findings.push(JSON.parse(value) as ScrubFinding)
    else fields.set(line.slice(0, at), value)
  }
  const count = (name: string): number => Number(fields.get(name) ?? 0)
  return {
    state: fields.get('state') ?? 'idle',
    doneBytes: count('done_bytes'),
    totalBytes: count('total_bytes'),
    rateBytes: count('rate_bytes'),
    findingCount: count('findings'),
    mendedCount: count('mended'),
    findings,
  }
}

export function* resultLines(report: ScrubReport): Generator<string, void> {
  for (const finding of report.findings) yield findingLine(finding)
  const hidden = report.findingCount - report.findings.length
  if (hidden > 0) yield `and ${hidden} findings more`
  const { state, doneBytes, totalBytes, findingCount, mendedCount } = report
  const found = findingCount === 0 ? 'no damage' : `${findingCount} findings, ${mendedCount} mended`
  const part = state === 'running' ? ` of ${shownBytes(totalBytes)}` : ''
  yield state === 'idle'
    ? 'no scrub since the volume was mounted'
    : `${state}: ${shownBytes(doneBytes)}${part} read, ${found}`
}

function findingLine({ ino, path, file, offset, what, mended }: ScrubFinding): string {
  const subject = path ?? (ino === undefined ? `file "${file ?? 'index'}"` : `inode ${ino}`)
  const inode = path !== undefined && ino !== undefined ? ` (inode ${ino})` : ''
  const place = offset === undefined ? '' : `, offset ${offset}`
  return `${mended ? 'mended' : 'error'}: ${subject}${inode}${place}: ${what}`
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

export function shownBytes(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`
}
