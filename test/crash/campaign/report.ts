/** What a campaign has done and found, for people and for programs. */
import { writeFileSync } from 'node:fs'
import type { Violation } from './campaign.ts'
import { SERIES } from './schedule.ts'
import { printWorkload } from './text.ts'
import { STATE_KINDS, type Totals, sumOf } from './totals.ts'

export interface Report {
  readonly seed: number
  readonly jobCount: number
  readonly startedAt: string
  readonly seconds: number
  /** Why it ended. */
  readonly end: string
  /** How many sequences of one, two and three operations exist. */
  readonly sequences: Readonly<Record<'one' | 'two' | 'three', number>>
  readonly totals: Totals
  readonly violations: readonly Violation[]
}

const number = (value: number): string => value.toLocaleString('en-US')

/** One line, for a terminal. */
export function showProgress(totals: Totals, seconds: number, violationCount: number): string {
  const { workloads, judged, built } = totals
  const counts = SERIES.map((series) => `${series} ${number(workloads[series])}`).join(', ')
  const states = `${number(sumOf(judged))} states judged of ${number(sumOf(built))} built`
  return `${showTime(seconds)}  ${counts}; ${states}; ${violationCount} violations`
}

export function showReport(report: Report): string {
  const { totals, violations, sequences } = report
  const { workloads } = totals
  const rate = Math.round(sumOf(totals.judged) / Math.max(1, report.seconds))
  const kinds = STATE_KINDS.map(
    (kind) => `| ${kind} | ${number(totals.built[kind])} | ${number(totals.judged[kind])} |`,
  )
  return [
    '# Crash campaign',
    '',
    `Seed ${report.seed}, ${report.jobCount} processes, ${showTime(report.seconds)} from ${report.startedAt}; ended by ${report.end}.`,
    '',
    '| workloads | exist | run |',
    '| --- | --: | --: |',
    ...(['one', 'two', 'three'] as const).map(
      (series) =>
        `| ${series} operations | ${number(sequences[series])} | ${number(workloads[series])} |`,
    ),
    `| random | | ${number(workloads.random)} |`,
    `| with commits of many records | | ${number(workloads.large)} |`,
    `| on LevelDB | | ${number(totals.levelWorkloads)} |`,
    '',
    `${number(totals.moments)} events at which crashes were tried; ${number(totals.impossible)} sequences were impossible.`,
    '',
    '| states | built | judged |',
    '| --- | --: | --: |',
    ...kinds,
    `| **all** | ${number(sumOf(totals.built))} | ${number(sumOf(totals.judged))} |`,
    '',
    `${number(rate)} states judged in a second. A state is judged once for each set of states that are allowed.`,
    '',
    `## ${violations.length === 0 ? 'No violation' : `${violations.length} violations`}`,
    '',
    ...violations.flatMap(showViolation),
  ].join('\n')
}

export function showViolation(violation: Violation): string[] {
  const { finding, workload, original, seed } = violation
  return [
    `Seed ${seed}: \`${printWorkload(workload)}\``,
    '',
    `- crash: ${finding.where}`,
    ...finding.difference.split('\n').map((line) => `  ${line}`),
    `- found as: \`${printWorkload(original)}\``,
    '',
  ]
}

/** JSON or Markdown, by the file's name. */
export function writeReport(path: string, report: Report): void {
  const text = path.endsWith('.json') ? JSON.stringify(report, undefined, 2) : showReport(report)
  writeFileSync(path, `${text.trimEnd()}\n`)
}

function showTime(seconds: number): string {
  const whole = Math.floor(seconds)
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}
