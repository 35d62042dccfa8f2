/**
 * Goal: whatever bit of a volume flips, checking and opening it end in findings or an FsError, and
 * a check that finds nothing means that every file still holds what was stored.
 * Method: flip one random bit of a real volume's files, check it, read all files, put it back.
 * OATOMIC_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, readdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { checkPath, checkUnprobed } from '../../src/check/check-path.ts'
import { type CheckReport, checkVolume } from '../../src/check/check-volume.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { Random, testSeed } from '../support/random.ts'
import { flipBit, withBlock } from './edit-image.ts'
import { killedVolume, wrongFiles } from './populated.ts'
import {
  RING_BLOCKS,
  type RealVolume,
  realVolume,
  withIndexRestored,
  wrongRealFiles,
} from './real-volume.ts'

const DATA_START = (16 + RING_BLOCKS) * 4096

function seeded(context: TestContext): Random {
  const random = new Random(testSeed())
  context.diagnostic(`seed ${random.seed}`)
  return random
}

/** Flips a bit on the disk. */
function flipInFile(path: string, bit: number): void {
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, Math.floor(bit / 8))
  writeSync(fd, flipBit(byte, bit % 8), 0, 1, Math.floor(bit / 8))
  closeSync(fd)
}

/** Undefined when it ended in an FsError; anything else thrown fails the test. */
async function expectFsError<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}

type Check = (volume: RealVolume) => Promise<CheckReport>

const ALL = { data: true }

const checkProbed: Check = ({ path }) => checkPath(path, ALL)

/** Faster, for an index that is whole. */
const checkFast: Check = ({ path }) => checkUnprobed(path, ALL)

/** Whether a flipped bit is noticed by the check. */
async function tryFlip(
  volume: RealVolume,
  path: string,
  bit: number,
  check: Check,
): Promise<boolean> {
  flipInFile(path, bit)
  try {
    const report = await expectFsError(() => check(volume))
    if (report === undefined) return true
    const wrong = await expectFsError(() => wrongRealFiles(volume))
    if (report.isClean) assert.deepEqual(wrong, [])
    return !report.isClean
  } catch (error) {
    throw new Error(`With bit ${bit} of ${path}`, { cause: error })
  }
}

describe('one flipped bit', () => {
  test('of the block file is found, or was of no use', async (context) => {
    const random = seeded(context)
    const volume = await realVolume(context)
    const used = (await checkPath(volume.path, { data: false })).mappedCount
    const tries = [
      ...Array.from({ length: 8 }, () => random.int(2 * 4096 * 8)),
      ...Array.from({ length: 8 }, () => (16 * 4096 + random.int(RING_BLOCKS * 4096)) * 8),
      ...Array.from({ length: 24 }, () => DATA_START * 8 + random.int((used + 1) * 4096 * 8)),
    ]
    let noticedCount = 0
    for (const bit of tries) {
      if (await tryFlip(volume, volume.blocks, bit, checkFast)) noticedCount++
      flipInFile(volume.blocks, bit)
    }
    context.diagnostic(`${noticedCount} of ${tries.length} noticed`)
    assert.ok((await checkPath(volume.path, { data: true })).isClean)
  })

  test('of the index is found, or was of no use', async (context) => {
    const random = seeded(context)
    for (const isReopened of [true, false]) {
      const volume = await realVolume(context, isReopened)
      let noticedCount = 0
      for (let i = 0; i < 8; i++) {
        await withIndexRestored(volume, async () => {
          const name = random.pick(readdirSync(volume.index).filter((each) => each !== 'LOCK'))
          const { size } = statSync(join(volume.index, name))
          if (size === 0) return
          const path = join(volume.index, name)
          if (await tryFlip(volume, path, random.int(size * 8), checkProbed)) noticedCount++
        })
      }
      context.diagnostic(`${noticedCount} noticed`)
      assert.ok((await checkPath(volume.path, { data: true })).isClean)
    }
  })

  test('of the ring leaves a volume as of some commit, or is found', async (context) => {
    const random = seeded(context)
    const { image, ...volume } = await killedVolume()
    const blocks = [...image.ring.keys()]
    for (let i = 0; i < 30; i++) {
      const bit = random.int(4096 * 8)
      const ringBlock = random.pick(blocks)
      const damaged = withBlock(image, 'ring', ringBlock, (block) => flipBit(block, bit))
      const report = await checkVolume(new MemoryDevice(damaged), 'test', { data: true })
      const numbers = new Set(report.findings.map(({ invariant }) => invariant))
      if (numbers.size > 0) assert.ok(numbers.has('F4'), [...numbers].join(' '))
      await expectFsError(() => wrongFiles(new MemoryDevice(damaged), volume))
    }
  })
})
