/**
 * Goal: the same for workloads that nobody thought of. Method: steps chosen by chance on a few files,
 * in volumes of different sizes; one seed for each workload. OATOMIC_CRASH_SECONDS makes it longer.
 */
import { test } from 'node:test'
import { crashImages } from '../support/devices/crash-images.ts'
import { Random, testSeed } from '../support/random.ts'
import { crashRecovery } from './crash-recovery.ts'
import { Jury } from './jury.ts'
import { allowedAfter, judgeMoments, moments } from './moments.ts'
import { randomWorkload } from './random-workload.ts'
import { assertLive, newSession } from './session.ts'

const SECONDS = Number(process.env['OATOMIC_CRASH_SECONDS'] ?? 8)
const STEP_COUNT = 60

test(
  'random workloads leave an allowed state after a crash at any event',
  { timeout: (SECONDS + 60) * 1000 },
  async (t) => {
    const firstSeed = testSeed()
    const end = performance.now() + SECONDS * 1000
    const jury = new Jury()
    let count = 0
    for (; performance.now() < end; count++) await crashWorkload(jury, firstSeed + count)
    t.diagnostic(`${jury.judgedCount} images of ${count} workloads, seeds from ${firstSeed} on`)
  },
)

async function crashWorkload(jury: Jury, seed: number): Promise<void> {
  jury.forget()
  try {
    const random = new Random(seed)
    const ringBlocks = random.pick([256, 300, 1024])
    const blockCountMax = random.pick([400, 1000, 100_000])
    const session = await newSession({ ringBlocks, blockCountMax, random: random.fork() })
    await randomWorkload(session, random.fork(), STEP_COUNT)
    await assertLive(session)
    const { device, oracle } = session
    const run = { log: device.log, oracle }
    await judgeMoments(jury, run, random, { momentCount: 25, randomCount: 1 })
    const [eventCount = 0] = moments(device.log, random, 1)
    const images = crashImages(device.log, eventCount, random, { randomCount: 1 })
    const past = (isKill: boolean) => allowedAfter(oracle, { eventCount, isKill })
    await crashRecovery(jury, random.pick([...images]), past, random, { depth: 1 })
  } catch (error) {
    throw new Error(`OATOMIC_SEED=${seed}: ${String(error)}`, { cause: error })
  }
}
