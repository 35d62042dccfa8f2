/** Opens what a crash has left and compares it with what the oracle allows. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { MemoryDevice } from '../../src/device/memory-device.ts'
import { type CrashImage, crashImages } from '../support/devices/crash-images.ts'
import type { DeviceEvent, DeviceLog } from '../support/devices/device-log.ts'
import { Random } from '../support/random.ts'
import { type TestFilesystem, openTestFilesystem } from '../support/volume.ts'
import { type State, differences } from './model.ts'
import { observe } from './observe.ts'
import type { Oracle } from './oracle.ts'
import { structureFaults } from './structure.ts'

let judgedCount = 0

/** Images judged by this process so far. */
export const imageCount = (): number => judgedCount

export const isKill = (image: CrashImage): boolean => image.name.includes(': killed')

/** Requires of an image that it is one of the allowed states and in good order; returns the state. */
export async function judge(
  name: string,
  device: MemoryDevice,
  allowed: Iterable<State>,
): Promise<State> {
  judgedCount++
  try {
    const opened = await openTestFilesystem(device)
    assert.equal(opened.volume.report.damage, undefined)
    const state = await observe(opened.fs)
    assertAllowed(state, allowed)
    await assertStructure(opened, device)
    return state
  } catch (error) {
    throw new Error(`After a crash at ${name}: ${String(error)}`, { cause: error })
  }
}

export function assertAllowed(state: State, allowed: Iterable<State>): void {
  let closest: string[] | undefined
  for (const candidate of allowed) {
    const lines = differences(candidate, state)
    if (lines.length === 0) return
    if (closest === undefined || lines.length < closest.length) closest = lines
  }
  assert.fail(`no allowed state; the closest one differs by\n  ${closest?.join('\n  ')}`)
}

/** Requires what must hold of every volume that is in use, and closes it. */
async function assertStructure(
  { fs, volume }: TestFilesystem,
  device: MemoryDevice,
): Promise<void> {
  await fs.finish()
  assert.deepEqual(structureFaults(device.image()), [])
  const { allocator } = volume.engine.store
  const freeCount = allocator.blockCount - 1 - allocator.mappedCount
  assert.equal(allocator.availableCount, freeCount, 'no block is lost until the next mount')
}

export interface JudgeOptions {
  /** How many moments of the log are tried; all of them if absent. */
  readonly momentCount?: number
  /** Random images for each moment, of each of two kinds. */
  readonly randomCount?: number
}

/** Judges the images of a session's crashes, and tells how many there were. */
export async function judgeLog(
  context: TestContext,
  run: { readonly log: DeviceLog; readonly oracle: Oracle },
  random: Random,
  options: JudgeOptions = {},
): Promise<void> {
  const before = judgedCount
  await judgeMoments(run, random, options)
  context.diagnostic(`${judgedCount - before} images, ${run.log.events.length} events`)
}

export async function judgeMoments(
  { log, oracle }: { readonly log: DeviceLog; readonly oracle: Oracle },
  random: Random,
  { momentCount, randomCount = 2 }: JudgeOptions,
): Promise<void> {
  for (const eventCount of moments(log, random, momentCount)) {
    for (const image of crashImages(log, eventCount, random, { randomCount })) {
      await judge(image.name, image.device, oracle.allowed({ eventCount, isKill: isKill(image) }))
    }
  }
}

/**
 * All moments of a log, or so many of them, the last one included. Staging is most of a long log and
 * the least of a commit, so three quarters of the moments are from elsewhere.
 */
export function moments(log: DeviceLog, random: Random, count = Infinity): number[] {
  const all = Array.from({ length: log.events.length + 1 }, (_, i) => i)
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
