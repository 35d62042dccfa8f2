/** Chooses moments of a recorded run and judges what crashes then could leave. */
import type { TestContext } from 'node:test'
import { crashImagesAt } from '../support/devices/crash-images.ts'
import type { DeviceEvent, DeviceLog } from '../support/devices/device-log.ts'
import type { Random } from '../support/random.ts'
import { type Allowed, Jury } from './jury.ts'
import type { Crash, Oracle } from './oracle.ts'

export interface JudgeOptions {
  /** How many moments of the log are tried; all of them if absent. */
  readonly momentCount?: number
  /** Random images for each moment, of each of two kinds. */
  readonly randomCount?: number
}

/** A run, and who knows what crashes of it may leave. */
export interface Run {
  readonly log: DeviceLog
  readonly oracle: Oracle
}

export function allowedAfter(oracle: Oracle, crash: Crash): Allowed {
  return { key: oracle.windowOf(crash), states: () => oracle.allowed(crash) }
}

/** Judges the images of a session's crashes, and tells how many there were. */
export async function judgeLog(
  context: TestContext,
  run: Run,
  random: Random,
  options: JudgeOptions = {},
): Promise<void> {
  const jury = new Jury()
  await judgeMoments(jury, run, random, options)
  context.diagnostic(`${jury.judgedCount} images, ${run.log.events.length} events`)
}

export async function judgeMoments(
  jury: Jury,
  { log, oracle }: Run,
  random: Random,
  { momentCount, randomCount = 2 }: JudgeOptions,
): Promise<void> {
  const eventCounts = moments(log, random, momentCount)
  for (const image of crashImagesAt(log, eventCounts, () => random, { randomCount })) {
    await jury.judge(image, allowedAfter(oracle, image))
  }
}

/**
 * All moments of a log from one on, or so many of them, the last one included. Staging is most of a long log and
 * the least of a commit, so three quarters of the moments are from elsewhere.
 */
export function moments(log: DeviceLog, random: Random, count = Infinity, first = 0): number[] {
  const all = Array.from({ length: log.events.length + 1 - first }, (_, i) => first + i)
  if (count >= all.length) return all
  const others = all.filter((moment) => moment > 0 && !isStaging(log.events[moment - 1]))
  const chosen = random.shuffle(others).slice(0, Math.ceil((count * 3) / 4))
  while (chosen.length < count) chosen.push(random.pick(all))
  return [...new Set([...chosen, log.events.length])].toSorted((a, b) => a - b)
}

function isStaging(event: DeviceEvent | undefined): boolean {
  if (event === undefined || event.type === 'write') return false
  return event.type === 'grow' || event.call.type === 'direct'
}
