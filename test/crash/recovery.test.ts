/**
 * Goal: recovery may crash at any point and be run again; what it has shown is there for good.
 * Method: images of a workload's crashes are recovered on a recording device, which crashes again at
 * every event of the recovery and of the first commits after it; and some of these once more.
 */
import { type TestContext, test } from 'node:test'
import { crashImages } from '../support/devices/crash-images.ts'
import { Random, testSeed } from '../support/random.ts'
import { CALLER } from '../support/volume.ts'
import { type Past, crashRecovery } from './crash-recovery.ts'
import * as files from './file-steps.ts'
import * as folders from './folder-steps.ts'
import { Jury } from './jury.ts'
import { inoAt } from './model.ts'
import { allowedAfter, moments } from './moments.ts'
import * as names from './name-steps.ts'
import { BLOCK, TIMEOUT } from './run-workload.ts'
import { type Session, newSession } from './session.ts'

test('openVolumeOn() can crash anywhere and run again: names', TIMEOUT, (t) =>
  crashRecoveries(t, { momentCount: 7, depth: 2 }, async (session) => {
    await names.makeDirectory(session, '/d')
    await files.create(session, '/d/a')
    await names.fsyncDirectory(session)
    for (const name of ['b', 'c', 'e', 'n'.repeat(240)]) {
      await names.makeDirectory(session, `/d/${name}`)
      await names.rename(session, `/d/${name}`, `/${name}`)
    }
    await names.unlink(session, '/d/a')
  }),
)

test('openVolumeOn() can crash anywhere and run again: overwrites', TIMEOUT, (t) =>
  crashRecoveries(t, { momentCount: 6, depth: 2 }, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.write(session, '/a', 0, random.bytes(12 * BLOCK))
    await files.fsync(session, '/a')
    await names.checkpoint(session)
    for (let round = 0; round < 3; round++) {
      for (const block of [0, 3, 4, 11]) {
        await files.write(session, '/a', block * BLOCK + 7, random.bytes(4000))
      }
      await files.close(session, '/a')
      await files.open(session, '/a')
    }
    await names.checkpoint(session)
  }),
)

test('openVolumeOn() can crash anywhere and run again: large files and orphans', TIMEOUT, (t) =>
  crashRecoveries(t, { momentCount: 6, depth: 2 }, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.create(session, '/b')
    for (const path of ['/a', '/b', '/a']) {
      await files.write(session, path, random.int(9) * BLOCK, random.bytes(70 * BLOCK))
      await files.fsync(session, path)
    }
    const ino = inoAt(session.oracle.live, '/b')
    await names.unlink(session, '/b')
    await files.close(session, '/b')
    files.forget(session, ino)
    await names.reap(session)
    await files.truncate(session, '/a', 100)
    await files.fsync(session, '/a')
  }),
)

test('openVolumeOn() can crash anywhere and run again: folder transactions', TIMEOUT, (t) =>
  // Each recovery removes folders in many small commits, so once over is enough here.
  crashRecoveries(t, { momentCount: 6, depth: 1 }, async (session, random) => {
    await names.makeDirectory(session, '/f')
    await names.makeDirectory(session, '/f/sub')
    await files.create(session, '/f/sub/a')
    await files.write(session, '/f/sub/a', 0, random.bytes(9 * BLOCK))
    await files.close(session, '/f/sub/a')
    for (let round = 0; round < 3; round++) {
      await folders.changeFolder(session, '/f', async (fs, copy) => {
        fs.forget((await fs.makeDirectory(copy, `d${round}`, 0o755, CALLER)).ino, 1)
      })
    }
    await folders.copyFolder(session, '/f', async () => undefined)
  }),
)

async function crashRecoveries(
  context: TestContext,
  { momentCount, depth }: { readonly momentCount: number; readonly depth: number },
  work: (session: Session, random: Random) => Promise<void>,
): Promise<void> {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  const jury = new Jury()
  const { device, oracle } = await startWork(work, random)
  for (const eventCount of moments(device.log, random, momentCount)) {
    const past: Past = (isKilled) => allowedAfter(oracle, { eventCount, isKill: isKilled })
    for (const image of crashImages(device.log, eventCount, random, { randomCount: 1 })) {
      await crashRecovery(jury, image, past, random, { depth })
    }
  }
  context.diagnostic(`${jury.judgedCount} images`)
}

async function startWork(
  work: (session: Session, random: Random) => Promise<void>,
  random: Random,
): Promise<Session> {
  const session = await newSession({ random: random.fork() })
  await work(session, random.fork())
  return session
}
