/**
 * Goal: who looks at a volume on a failing disk is told what cannot be read, and never that all is
 * well; a volume whose making failed is not taken for one.
 * Method: check, dump and make with the n-th call failing, for every n.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { checkVolume } from '../../src/check/check-volume.ts'
import type { Device } from '../../src/device/device.ts'
import { type DeviceImage, MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { dumpVolume } from '../../src/dump/dump-volume.ts'
import { FsError } from '../../src/errors.ts'
import { closedVolume, killedVolume } from '../check/populated.ts'
import { type CallKind, type Fault, FaultyDevice } from '../support/devices/faulty-device.ts'
import { makeTestVolume, openTestFilesystem } from '../support/volume.ts'
import { resultsOf } from './support/run-case.ts'
import { Tally } from './support/tally.ts'

const TEST = { timeout: 120_000 }
/** Look-ups of keys are many and alike: of these one in so many is tried. */
const GET_ONE_IN = 7

interface Case {
  readonly name: string
  readonly image: DeviceImage
  /** Reads or makes the volume; returns whether it says that anything is wrong. */
  readonly run: (device: Device) => Promise<boolean>
  readonly results: (kind: CallKind) => readonly Fault['result'][]
}

/** Nobody waits for what only looks; the user interrupts it. */
const returning = (kind: CallKind): readonly Fault['result'][] =>
  resultsOf(kind).filter((result) => result !== 'hang')

async function check(device: Device): Promise<boolean> {
  const report = await checkVolume(device, 'test', { data: true })
  assert.equal(report.isClean, report.findingCount === 0)
  return !report.isClean
}

async function dump(device: Device): Promise<boolean> {
  const lines: string[] = []
  for await (const line of dumpVolume(device, 'test', { json: true })) lines.push(line)
  return lines.some((line) => line.includes('"kind":"damage"'))
}

/** Tries every call; `judge` is told of each whether the reader has said that something is wrong. */
async function tryCalls(
  context: TestContext,
  { name, image, run, results }: Case,
  judge: (told: boolean, kind: CallKind, memory: MemoryDevice) => Promise<void> | void,
): Promise<void> {
  const counting = new FaultyDevice(new MemoryDevice(image))
  assert.equal(await run(counting), false, 'without a fault nothing is wrong')
  const tally = new Tally()
  for (const [call, kind] of counting.trace.entries()) {
    tally.call(name, kind, call)
    if (kind === 'index.get' && call % GET_ONE_IN !== 0) continue
    for (const result of results(kind)) {
      const memory = new MemoryDevice(image)
      const faulty = new FaultyDevice(memory, [{ kind: 'any', call, result }])
      let told = true
      try {
        told = await run(faulty)
      } catch (error) {
        assert.ok(
          error instanceof FsError,
          `call ${call} (${kind}) with ${result}: ${String(error)}`,
        )
      }
      try {
        await judge(told, kind, memory)
      } catch (error) {
        throw new Error(`Call ${call} (${kind}) with ${result}: ${String(error)}`, { cause: error })
      }
      tally.struck(name, kind, call)
    }
  }
  tally.print(context)
  assert.deepEqual(
    tally.missed(() => false),
    [],
  )
}

const checkTold = (isTold: boolean, kind: CallKind): void => {
  // These are read again, blocks one by one; only a lasting fault is one then: see below.
  const isReadAgain = kind === 'blocks.readAsync' || kind === 'superblock.read'
  assert.ok(isTold || isReadAgain, 'the check says so')
}

const dumpTold = (isTold: boolean, kind: CallKind): void => {
  // Two copies of the superblock are one too many.
  if (kind !== 'superblock.read') assert.ok(isTold, 'the dump says so')
}

const make = async (device: Device): Promise<boolean> => {
  await makeTestVolume(device)
  return false
}

const judgeMade = async (told: boolean, _kind: CallKind, memory: MemoryDevice): Promise<void> => {
  assert.ok(told, 'the failure is told')
  const opened = await openTestFilesystem(memory).catch((error: unknown) => error)
  if (opened instanceof Error) {
    assert.match(String(opened), /never finished|both copies of its superblock are damaged/)
    await makeTestVolume(memory)
  }
  const { fs } = await openTestFilesystem(memory)
  await fs.finish()
  const { findings } = await checkVolume(memory, 'test', { data: true })
  // One copy of two may be torn.
  assert.ok(findings.every(({ severity }) => severity === 'warning'))
}

for (const [name, volume] of [
  ['closed', closedVolume],
  ['killed', killedVolume],
] as const) {
  test(`checkVolume() reports what cannot be read: ${name}`, TEST, async (context) => {
    const { image } = await volume()
    await tryCalls(context, { name: 'check', image, run: check, results: returning }, checkTold)
  })

  test(`dumpVolume() tells of what cannot be read: ${name}`, TEST, async (context) => {
    const { image } = await volume()
    await tryCalls(context, { name: 'dump', image, run: dump, results: returning }, dumpTold)
  })
}

test('checkVolume() names the blocks that cannot be read', TEST, async () => {
  const { image } = await closedVolume()
  const fault = { kind: 'blocks.readAsync', call: 0, result: 'EIO', isLasting: true } as const
  const report = await checkVolume(new FaultyDevice(new MemoryDevice(image), [fault]), 'test', {
    data: true,
  })
  assert.equal(report.verifiedCount, 0)
  assert.ok(report.findings.length > 10)
  for (const { message } of report.findings) assert.match(message, /offset \d+: block \d+ cannot/)
})

test(
  'makeVolumeOn() leaves a whole volume, or one that can be made again',
  TEST,
  async (context) => {
    const image = emptyImage(256)
    await tryCalls(context, { name: 'make', image, run: make, results: returning }, judgeMade)
  },
)
