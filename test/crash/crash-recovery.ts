/** Crashes in the middle of recovering from a crash. */
import { type CrashImage, crashImages } from '../support/devices/crash-images.ts'
import type { Random } from '../support/random.ts'
import * as files from './file-steps.ts'
import { assertAllowed, isKill, judge, moments } from './judge.ts'
import type { State } from './model.ts'
import * as names from './name-steps.ts'
import { BLOCK } from './run-workload.ts'
import { type Session, openSession } from './session.ts'

/** What may be found in an image, if only daemons have died since, or if the power was cut. */
export type Past = (isKill: boolean) => Iterable<State>

/** Crashes after which one more crash is tried: one in so many. */
const DEEPER_ONE_IN = 60

/** Recovers an image, commits something, and crashes at every event of that. */
export async function crashRecovery(
  image: CrashImage,
  past: Past,
  random: Random,
  depth: number,
): Promise<void> {
  const session = await openSession(image.state, undefined, { random: random.fork() })
  assertAllowed(session.oracle.live, past(isKill(image)))
  await firstCommits(session, depth, random)
  const { log } = session.device
  for (const eventCount of moments(log, random)) {
    const isOpen = eventCount >= session.openedAt
    const next: Past = (isKilled) =>
      isOpen
        ? session.oracle.allowed({ eventCount, isKill: isKilled })
        : past(isKilled && isKill(image))
    for (const again of crashImages(log, eventCount, random, { randomCount: 1 })) {
      await judge(`${image.name}, then ${again.name}`, again.device, next(isKill(again)))
      if (depth > 1 && random.oneIn(DEEPER_ONE_IN)) {
        await crashRecovery(again, next, random, depth - 1)
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
}
