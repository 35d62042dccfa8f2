/**
 * Plays a workload on a volume with a real LevelDB, and judges what power cuts inside of its batches
 * could leave in LevelDB's files.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeVolumeAt } from '../../../src/volume/path.ts'
import type { Random } from '../../support/random.ts'
import { BALLAST_BYTES } from '../level-files.ts'
import { judgeCapture } from '../level-judge.ts'
import { openLevelSession } from '../level-session.ts'
import { type Finding, playWorkload, textOf } from './examine.ts'
import type { Operation, Workload } from './operations.ts'
import { randomSequence } from './random-sequence.ts'

const RING_BLOCKS = 512
const LENGTH = 12

/** So much in LevelDB's log that what follows makes it begin a new one, in KiB. */
const FILL_KIB = 3900

/** A random workload with checkpoints; every second one fills LevelDB's log before. */
export function levelWorkload(random: Random): Workload {
  const { setup, operations } = randomSequence(random, { ringBlocks: RING_BLOCKS, length: LENGTH })
  const checkpoint: Operation = { type: 'checkpoint' }
  const half = Math.floor(operations.length / 2)
  const fill: Operation[] = [
    { type: 'mkdir', path: '/full' },
    { type: 'fill', path: '/full', size: FILL_KIB },
  ]
  const grow: Operation = { type: 'fill', path: '/full', size: 300 }
  const isFull = random.oneIn(2)
  return {
    ringBlocks: RING_BLOCKS,
    spaceBlocks: 0,
    timing: 0,
    setup: [...setup, ...(isFull ? fill : []), checkpoint],
    operations: [
      ...operations.slice(0, half),
      checkpoint,
      ...(isFull ? [grow] : []),
      ...operations.slice(half),
      checkpoint,
    ],
  }
}

export interface LevelExamined {
  readonly imageCount: number
  readonly finding: Finding | undefined
}

export async function examineOnLevel(workload: Workload, random: Random): Promise<LevelExamined> {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-campaign-'))
  let imageCount = 0
  try {
    const path = join(folder, 'volume')
    await makeVolumeAt(path, { ringBlocks: RING_BLOCKS, ballastBytes: BALLAST_BYTES })
    const session = await openLevelSession(path)
    let start = 0
    try {
      start = await playWorkload(session, workload)
    } finally {
      await session.capturing.close()
    }
    const image = join(folder, 'image')
    for (const capture of session.capturing.captures) {
      if (capture.moment < start) continue
      imageCount += await judgeCapture(image, capture, session.oracle, random)
    }
    return { imageCount, finding: undefined }
  } catch (error) {
    const finding = { eventCount: undefined, where: 'on LevelDB', difference: textOf(error) }
    return { imageCount, finding }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
