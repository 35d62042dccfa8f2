/**
 * Goal: a call that fails while a volume is being opened costs nothing that was acknowledged; opening
 * it again goes on from there, and may fail again.
 * Method: leave a volume as the death of its daemon does, with commits, home writes, an orphan and an
 * unfinished map; open it with the n-th call failing, for every n; do the same to what that leaves;
 * open what is left on a disk that works.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FsError } from '../../src/errors.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { openVolumeOn } from '../../src/volume/open.ts'
import * as files from '../crash/file-steps.ts'
import { assertAllowed, judge } from '../crash/judge.ts'
import { type State, emptyState } from '../crash/model.ts'
import * as names from '../crash/name-steps.ts'
import { observe } from '../crash/observe.ts'
import { BLOCK } from '../crash/run-workload.ts'
import { openSession } from '../crash/session.ts'
import { crashImages } from '../support/devices/crash-images.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { Random, testSeed } from '../support/random.ts'
import { makeTestVolume, openTestFilesystem, testClock } from '../support/volume.ts'
import { faultyDisk } from './support/fault-session.ts'
import { prepareCommon } from './support/phases.ts'
import { type Result, type Start, isRead, resultsOf } from './support/run-case.ts'
import { Tally } from './support/tally.ts'

const TEST = { timeout: 300_000 }
/** Recoveries that failed of which one is made to fail again. */
const AGAIN_ONE_IN = 4

/** What a killed daemon leaves in the middle of its work. */
async function crashed(random: Random): Promise<Start> {
  const maker = new MemoryDevice(emptyImage(256))
  await makeTestVolume(maker)
  const session = await openSession(DiskState.of(maker.image()), emptyState())
  await prepareCommon(session)
  await names.checkpoint(session)
  await files.open(session, '/a')
  await files.write(session, '/a', 3 * BLOCK, random.bytes(5 * BLOCK))
  await files.fsync(session, '/a')
  await files.write(session, '/a', 0, random.bytes(90 * BLOCK))
  await files.fsync(session, '/a')
  await files.open(session, '/d/f')
  await names.unlink(session, '/d/f')
  const change = session.engine.begin()
  change.putPendingMap(2, 7)
  session.engine.commit(change)
  await names.makeDirectory(session, '/last')
  await names.fsyncDirectory(session)
  const eventCount = session.device.log.events.length
  const images = [...crashImages(session.device.log, eventCount, random, { randomCount: 0 })]
  const image = images.at(-1)
  assert.ok(image !== undefined)
  return { disk: image.state, state: session.oracle.live }
}

/** Opens, perhaps in vain; returns what the disk is then, by the death of the process or a power cut. */
async function openWith(
  disk: DiskState,
  state: State,
  fault: { readonly call: number; readonly result: Result } | undefined,
  random: Random,
) {
  const { device, faulty, calls } = faultyDisk(disk.clone())
  if (fault !== undefined) faulty.failNext({ kind: 'any', result: fault.result }, fault.call)
  const opened = await openTestFilesystem(faulty, { calls }).catch((error: unknown) => error)
  if (opened instanceof Error) assert.ok(opened instanceof FsError, String(opened))
  else assertUsable(faulty.struck)
  const { log } = device
  const images = [...crashImages(log, log.events.length, random, { randomCount: 1 })]
  return { trace: faulty.trace, images, isOpen: !(opened instanceof Error), state }
}

/** Only what exists twice, or is freed later, may fail without a word. */
function assertUsable(struck: string | undefined): void {
  assert.ok(struck === undefined || struck === 'superblock.read', `${struck} failed unnoticed`)
}

test('openVolumeOn() loses nothing when any call of it fails, twice', TEST, async (context) => {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  const { disk, state } = await crashed(random)
  const { trace } = await openWith(disk, state, undefined, random)
  const tally = new Tally()
  for (const [call, kind] of trace.entries()) {
    tally.call('recovery', kind, call)
    for (const result of resultsOf(kind)) {
      const once = await openWith(disk, state, { call, result }, random)
      tally.struck('recovery', kind, call)
      for (const image of once.images) {
        const name = `call ${call} (${kind}) with ${result}, ${image.name}`
        await judge(name, image.device, [state])
        if (!random.oneIn(AGAIN_ONE_IN)) continue
        const second = await openWith(image.state, state, undefined, random)
        const callAgain = random.int(second.trace.length)
        const kindAgain = second.trace[callAgain] ?? kind
        const resultAgain = random.pick(resultsOf(kindAgain))
        tally.call('recovery again', kindAgain, callAgain)
        tally.struck('recovery again', kindAgain, callAgain)
        const twice = await openWith(
          image.state,
          state,
          { call: callAgain, result: resultAgain },
          random,
        )
        for (const last of twice.images) {
          const then = `${name}, then call ${callAgain} (${kindAgain}) with ${resultAgain}`
          await judge(then, last.device, [state])
        }
      }
    }
  }
  tally.print(context)
  assert.deepEqual(
    tally.missed(() => true),
    [],
  )
})

test('a volume that is opened to be read needs no call that writes', TEST, async () => {
  const random = new Random(7)
  const { disk, state } = await crashed(random)
  const { faulty } = faultyDisk(disk)
  const { volume, fs } = await openTestFilesystem(faulty, { readOnly: true })
  assertAllowed(await observe(fs), [state])
  assert.ok(faulty.trace.every((kind) => isRead(kind)))
  await fs.finish()
  assert.ok(!volume.engine.health.failed)
})

test('openVolumeOn() gives up a disk that never answers', TEST, async () => {
  const { disk } = await crashed(new Random(9))
  for (const kind of ['ring.flush', 'blocks.flush', 'index.batch', 'index.range'] as const) {
    const { faulty, calls } = faultyDisk(disk.clone())
    faulty.failNext({ kind, result: 'hang', isLasting: true })
    const options = { name: 'test', readOnly: false, clock: testClock(), calls }
    const message = /has not answered for 120 seconds/
    await assert.rejects(openVolumeOn(faulty, options), { code: 'EIO', message })
  }
})
