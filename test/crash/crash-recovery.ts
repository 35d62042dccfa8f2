/** Crashes in the middle of recovering from a crash. */
import { type CrashImage, crashImages } from '../support/devices/crash-images.ts'
import type { Random } from '../support/random.ts'
import * as files from './file-steps.ts'
import { assertAllowed } from './judge.ts'
import type { Allowed, Jury } from './jury.ts'
import { allowedAfter, moments } from './moments.ts'
import * as names from './name-steps.ts'
import { BLOCK } from './run-workload.ts'
import { type Session, openSession } from './session.ts'

/** What may be found in an image, if only daemons have died since, or if the power was cut. */
export type Past = (isKill: boolean) => Allowed

/** Crashes after which one more crash is tried: one in so many. */
const DEEPER_ONE_IN = 60

export interface RecoveryOptions {
  /** How many moments of the recovery are tried; all of them if absent. */
  readonly momentCount?: number
  /** How many crashes may follow each other. */
  readonly depth: number
}

/** Recovers an image, commits something, and crashes at every event of that. */
export async function crashRecovery(
  jury: Jury,
  image: CrashImage,
  past: Past,
  random: Random,
  { momentCount, depth }: RecoveryOptions,
): Promise<void> {
  const session = await openSession(image.state, undefined, { random: random.fork() })
  assertAllowed(session.oracle.live, past(image.isKill).states())
  await firstCommits(session, depth, random)
  const { log } = session.device
  // The same window of another recovery is of other states.
  const unique = `${image.name}/${random.next()}`
  for (const eventCount of moments(log, random, momentCount)) {
    const isOpen = eventCount >= session.openedAt
    const next: Past = (isKill) => {
      if (!isOpen) return past(isKill && image.isKill)
      const allowed = allowedAfter(session.oracle, { eventCount, isKill })
      return { ...allowed, key: `${unique}/${allowed.key}` }
    }
    for (const again of crashImages(log, eventCount, random, { randomCount: 1 })) {
      const name = `${image.name}, then ${again.name}`
      await jury.judge(again, next(again.isKill), name, 'recovery')
      if (depth > 1 && random.oneIn(DEEPER_ONE_IN)) {
        await crashRecovery(jury, again, next, random, { depth: depth - 1 })
      }
    }
  }
}

/** As many blocks of the ring as a lost record may have taken, so that an older one fits behind. */
async function firstCommits(session: Session, depth: number, random: Random): Promise<void> {
  await names.makeDirectory(session, `/new${depth}`)
  await files.createAtomic(session, `/new${depth}/f`)
  await files.write(session, `/new${depth}/f`, 0, random.bytes(2 * BLOCK))
  await files.fsync(session, `/new${depth}/f`)
  await names.reap(session)
}
