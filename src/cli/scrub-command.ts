/**
 * `oatomic scrub`: starts the scrub of a mount, which its daemon does, and shows how far it is. It
 * goes on for as long as this command does: interrupted, the command stops it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SCRUB_NAME } from '../fs/scrub-control.ts'
import { FsError } from '../errors.ts'
import { SCRUB_RATE_DEFAULT, SCRUB_RATE_MIN } from '../scrub/scrubber.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { findOurs } from './find-mount.ts'
import { printLines } from './output.ts'
import { parseSize } from './parse-size.ts'
import type { CommandLine } from './parse.ts'
import { ScrubProgress } from './scrub-progress.ts'
import { type ScrubReport, parseScrub, resultLines } from './scrub-report.ts'
import { readXattr, writeXattr } from './xattr.ts'

const POLL_MS = 200
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export async function runScrub({ positionals, flags, values }: CommandLine): Promise<ExitCode> {
  const rate = parseRate(values.get('rate')?.at(-1))
  const { mountpoint } = await findOurs(positionals[0] ?? '', 'scrub')
  const json = flags.has('json')
  if (flags.has('stop')) command(mountpoint, 'stop')
  else if (!flags.has('status')) {
    command(mountpoint, `start rate=${rate}`)
    await follow(mountpoint, json)
  }
  const report = parseScrub(readXattr(mountpoint, SCRUB_NAME))
  await printLines(json ? [JSON.stringify(report)] : resultLines(report))
  return exitCode(report)
}

function parseRate(text: string | undefined): number {
  const rate = text === undefined ? SCRUB_RATE_DEFAULT : parseSize(text)
  if (rate >= SCRUB_RATE_MIN && Number.isSafeInteger(rate)) return rate
  throw new CommandError(EXIT.usage, `Cannot scrub at rate "${text ?? ''}": it is 1M or more`)
}

function command(mountpoint: string, value: string): void {
  try {
    writeXattr(mountpoint, SCRUB_NAME, value)
  } catch (error) {
    throw new CommandError(EXIT.unusable, reason(mountpoint, error), { cause: error })
  }
}

function reason(mountpoint: string, error: unknown): string {
  const cannot = `Cannot scrub "${mountpoint}"`
  const code = error instanceof FsError ? error.code : undefined
  if (code === 'EBUSY') return `${cannot}: a scrub is running; see oatomic scrub --status`
  const isForeign = code === 'EPERM' || code === 'EACCES'
  if (isForeign) return `${cannot}: only root and the user who mounted it may`
  return `${cannot}: ${error instanceof Error ? error.message : String(error)}`
}

/** Until it has ended. */
async function follow(mountpoint: string, json: boolean): Promise<void> {
  const progress = new ScrubProgress(process.stderr, json)
  const stop = (): void => {
    command(mountpoint, 'stop')
  }
  for (const signal of SIGNALS) process.on(signal, stop)
  try {
    for (;;) {
      const report = parseScrub(readXattr(mountpoint, SCRUB_NAME))
      if (report.state !== 'running') return
      progress.show(report)
      await sleep(POLL_MS)
    }
  } finally {
    progress.clear()
    for (const signal of SIGNALS) process.off(signal, stop)
  }
}

function exitCode({ state, findingCount }: ScrubReport): ExitCode {
  if (findingCount > 0) return EXIT.damaged
  return state === 'failed' ? EXIT.failed : EXIT.ok
}
