/**
 * Goal: whenever power fails while LevelDB writes the batch of a checkpoint, also when it begins a new
 * log, the volume recovers to a state with every acknowledged commit; the batch is there as a whole
 * or not at all, and once acknowledged it stays.
 * Method: a workload on a volume on the host copies its folder around each batch. Each state of
 * LevelDB's files that a power cut may leave between two copies is opened, compared and checked.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeVolumeAt } from '../../src/volume/path.ts'
import { atEnd } from '../support/devices/at-end.ts'
import { Random, testSeed } from '../support/random.ts'
import * as attributes from './attribute-steps.ts'
import * as files from './file-steps.ts'
import { type Capture, isRotation, namesOf } from './level-device.ts'
import { BALLAST_BYTES, writeVolume } from './level-files.ts'
import { judgeCapture } from './level-judge.ts'
import { type LevelSession, openLevelSession } from './level-session.ts'
import * as names from './name-steps.ts'

import { assertLive } from './session.ts'

/** Copies of a whole volume, many of them. */
const TIMEOUT = { timeout: 300_000 }

const OPTIONS = { ringBlocks: 512, ballastBytes: BALLAST_BYTES }
const LARGE_COUNT = 8

/** Batches that go to the same log as the one before, of which there are many. */
const ORDINARY_COUNT = 4

test(
  'Index.batch() is there as a whole or not at all after a power cut, also with a new log',
  TIMEOUT,
  async (t) => {
    const { random, folder } = start(t)
    const path = join(folder, 'volume')
    await makeVolumeAt(path, OPTIONS)
    const session = await openLevelSession(path)
    await createFiles(session)
    while (rotations(session).length < 2) await round(session, random)
    await round(session, random)
    await end(session)
    const last = session.capturing.captures.at(-1)
    assert.ok(namesOf(last?.settled ?? new Map(), /\.ldb$/).length > 0, 'a table was written')
    await judgeAll(t, session, folder, random)
  },
)

test(
  'Index.batch() is there as a whole or not at all when recovery writes it',
  TIMEOUT,
  async (t) => {
    const { random, folder } = start(t)
    const path = join(folder, 'volume')
    await makeVolumeAt(path, OPTIONS)
    const crashed = await openLevelSession(path)
    await createFiles(crashed)
    await round(crashed, random)
    await end(crashed)
    const capture = crashed.capturing.captures.at(-1)
    assert.ok(capture !== undefined)
    // Power fails before the last batch, so that the next mount replays what it was to hold.
    const again = join(folder, 'again')
    writeVolume(again, capture.blocks, capture.before)
    const session = await openLevelSession(again)
    await files.open(session, '/a')
    await round(session, random)
    await end(session)
    await judgeAll(t, session, folder, random)
  },
)

function start(context: TestContext): { readonly random: Random; readonly folder: string } {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-level-'))
  atEnd(context, () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return { random, folder }
}

const largePath = (i: number): string => `/large${i}`

async function createFiles(session: LevelSession): Promise<void> {
  await files.createAtomic(session, '/a')
  for (let i = 0; i < LARGE_COUNT; i++) await names.makeDirectory(session, largePath(i))
}

/** About 400 KiB of metadata, a few publishes, and a checkpoint of both. */
async function round(session: LevelSession, random: Random): Promise<void> {
  for (let i = 0; i < LARGE_COUNT; i++) {
    await attributes.setXattr(session, largePath(i), random.bytes(40_000 + random.int(20_000)))
    if (random.oneIn(2)) continue
    const data = random.bytes(1 + random.int(9000))
    await files.write(session, '/a', random.int(40_000), data)
    await files.fsync(session, '/a')
  }
  const count = session.oracle.stepCount
  for (let i = 0; i < 10; i++) await names.makeDirectory(session, `/${count}-${i}`)
  if (random.oneIn(2)) await names.fsyncDirectory(session)
  await names.checkpoint(session)
}

function rotations({ capturing }: LevelSession): Capture[] {
  return capturing.captures.filter(isRotation)
}

/** The workload did what the model says, and ends without closing the volume in order. */
async function end(session: LevelSession): Promise<void> {
  await assertLive(session)
  await session.capturing.close()
}

async function judgeAll(
  context: TestContext,
  session: LevelSession,
  folder: string,
  random: Random,
): Promise<void> {
  const { captures } = session.capturing
  const ordinary = captures.filter((capture) => !isRotation(capture))
  const chosen = random.shuffle(ordinary).slice(0, ORDINARY_COUNT)
  let imageCount = 0
  for (const capture of [...chosen, ...rotations(session)]) {
    const path = join(folder, 'image')
    imageCount += await judgeCapture(path, capture, session.oracle, random)
  }
  const counts = `${chosen.length} of ${ordinary.length} batches, and ${rotations(session).length} with a new log`
  context.diagnostic(`${imageCount} images, ${counts}`)
}
