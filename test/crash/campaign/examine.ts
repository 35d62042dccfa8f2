/** Plays one workload, and judges what crashes of it could leave. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type CrashImage, crashImagesAt } from '../../support/devices/crash-images.ts'
import type { DeviceLog } from '../../support/devices/device-log.ts'
import { Random } from '../../support/random.ts'
import { crashRecovery } from '../crash-recovery.ts'
import { assertNoBlockLost } from '../judge.ts'
import type { Jury } from '../jury.ts'
import { allowedAfter, moments } from '../moments.ts'
import { type Session, assertLive, newSession } from '../session.ts'
import type { Workload } from './operations.ts'
import { Player } from './player.ts'

/** Plenty for one workload; one that waits for ever is a failure. */
const TIMEOUT_MS = 120_000

/** Moments of a long run that are tried, and of one with a commit of many records. */
const MOMENTS_MAX = 120
const LARGE_EVENTS = 600
const LARGE_MOMENTS_MAX = 12

/** Moments of one recovery that are cut. */
const RECOVERY_MOMENTS = 12

export interface ExamineOptions {
  readonly jury: Jury
  /** Random images for each moment, of each of two kinds. */
  readonly randomCount: number
  /** Writes that are left out, or alone there, one by one. */
  readonly omittedCount: number
  /** One image in so many is recovered on a device that crashes again; 0: none. */
  readonly recoveryOneIn: number
  /** What chance does depends on this and on the moment, so that shrinking meets it again. */
  readonly salt: number
  /** Crashes in the setup are tried too. */
  readonly withSetup?: boolean
  /** Whether to end before every moment was tried. */
  readonly isOver?: () => boolean
  /** Replaces what was recorded, so that tests can have a device that lies. */
  readonly logOf?: (log: DeviceLog) => DeviceLog
}

/** What is wrong with a workload. */
export interface Finding {
  /** Events of the log before the crash; undefined if it went wrong without one. */
  readonly eventCount: number | undefined
  /** The moment and what the crash left. */
  readonly where: string
  readonly difference: string
}

export interface Examined {
  /** Moments at which crashes were tried. */
  readonly momentCount: number
  readonly finding: Finding | undefined
}

export async function examine(workload: Workload, options: ExamineOptions): Promise<Examined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Examined>((resolve) => {
    timer = setTimeout(() => {
      const finding = {
        eventCount: undefined,
        where: 'while it ran',
        difference: 'it does not end',
      }
      resolve({ momentCount: 0, finding })
    }, TIMEOUT_MS)
  })
  try {
    return await Promise.race([examineNow(workload, options), late])
  } finally {
    clearTimeout(timer)
  }
}

async function examineNow(workload: Workload, options: ExamineOptions): Promise<Examined> {
  const { ringBlocks, spaceBlocks, timing } = workload
  let where = 'while it ran'
  let image: CrashImage | undefined
  let momentCount = 0
  try {
    const session = await newSession({
      ringBlocks,
      ...(spaceBlocks > 0 ? { blockCountMax: spaceBlocks } : {}),
      ...(timing > 0 ? { random: new Random(timing) } : {}),
    })
    const start = await playWorkload(session, workload)
    const log = options.logOf?.(session.device.log) ?? session.device.log
    const first = options.withSetup === true ? 0 : start
    const chance = new Random(options.salt)
    const eventCounts = moments(log, chance.fork(), momentsMax(log), first)
    momentCount = eventCounts.length
    options.jury.forget()
    const randomAt = (eventCount: number): Random =>
      new Random(options.salt + Math.imul(eventCount, 0x9e3779b1))
    for (image of crashImagesAt(log, eventCounts, randomAt, options)) {
      if (options.isOver?.() === true) break
      where = image.name
      await judgeImage(session, image, options, chance)
    }
    where = 'at the end'
    image = undefined
    await endInOrder(session)
    return { momentCount, finding: undefined }
  } catch (error) {
    return {
      momentCount,
      finding: { eventCount: image?.eventCount, where, difference: textOf(error) },
    }
  }
}

/** Plays setup and operations; returns how many events the setup had. */
export async function playWorkload(session: Session, workload: Workload): Promise<number> {
  const player = new Player(session, workload.spaceBlocks > 0)
  for (const operation of workload.setup) await player.play(operation)
  const start = session.oracle.now()
  for (const operation of workload.operations) await player.play(operation)
  await assertLive(session)
  return start
}

/** A volume that lived through all of it loses no block either. */
async function endInOrder({ fs, engine }: Session): Promise<void> {
  await fs.finish()
  // What was dropped is free once the disk has stopped writing it.
  while (engine.store.writesUnderWay.size > 0) await nextTurn()
  await nextTurn()
  assertNoBlockLost(engine)
}

function momentsMax({ events }: DeviceLog): number {
  return events.length > LARGE_EVENTS ? LARGE_MOMENTS_MAX : MOMENTS_MAX
}

async function judgeImage(
  { oracle }: Session,
  image: CrashImage,
  { jury, recoveryOneIn }: ExamineOptions,
  random: Random,
): Promise<void> {
  await jury.judge(image, allowedAfter(oracle, image))
  if (recoveryOneIn === 0 || !random.oneIn(recoveryOneIn)) return
  const past = (isKill: boolean) => allowedAfter(oracle, { eventCount: image.eventCount, isKill })
  await crashRecovery(jury, image, past, random, { momentCount: RECOVERY_MOMENTS, depth: 1 })
}

/** The message, and the line of the product that it comes from. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause : error
  const frame = cause.stack?.split('\n').find((line) => /^\s+at .*\/dist\/src\//.test(line))
  return frame === undefined ? error.message : `${error.message}\n ${frame.trim()}`
}
