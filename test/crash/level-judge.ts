/** Opens the images of a batch as any mount would, and compares what they hold with the oracle. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { pino } from 'pino'
import { checkUnprobed } from '../../src/check/check-path.ts'
import { Filesystem } from '../../src/fs/filesystem.ts'
import { openVolumeAt } from '../../src/volume/path.ts'
import type { OpenedVolume } from '../../src/volume/open.ts'
import type { Random } from '../support/random.ts'
import { FakeProcesses, NO_KERNEL } from '../support/volume.ts'
import { assertAllowed } from './judge.ts'
import type { Capture } from './level-device.ts'
import { writeVolume } from './level-files.ts'
import { type LevelImage, levelImages } from './level-images.ts'
import { observe } from './observe.ts'
import type { Oracle } from './oracle.ts'

/** Enough to see what is wrong; an attribute may be long. */
const MESSAGE_LENGTH = 1000

/** Judges every image of a batch, in a folder that does not exist; returns how many. */
export async function judgeCapture(
  path: string,
  capture: Capture,
  oracle: Oracle,
  random: Random,
): Promise<number> {
  let imageCount = 0
  for (const image of levelImages(capture, random)) {
    imageCount++
    writeVolume(path, capture.blocks, image.index)
    try {
      await judgeImage(path, capture, image, oracle)
    } catch (error) {
      const reason = String(error).slice(0, MESSAGE_LENGTH)
      throw new Error(`Batch ${capture.moment}, ${image.name}: ${reason}`, { cause: error })
    } finally {
      rmSync(path, { recursive: true })
    }
  }
  return imageCount
}

async function judgeImage(
  path: string,
  capture: Capture,
  { hasBatch }: LevelImage,
  oracle: Oracle,
): Promise<void> {
  const opened = await openVolumeAt(path, false)
  try {
    assert.equal(opened.report.damage, undefined)
    assert.equal(checkpointFound(opened), hasBatch ? capture.newSeq : capture.oldSeq)
    const fs = filesystemOf(opened)
    const crash = { eventCount: capture.moment, isKill: false }
    assertAllowed(await observe(fs), oracle.allowed(crash))
    await fs.finish()
  } finally {
    await opened.device.close()
  }
  const { findings } = await checkUnprobed(path, { data: true })
  assert.deepEqual(findings, [])
}

/** The commit up to which the index held everything when it was opened. */
function checkpointFound({ engine, report }: OpenedVolume): number {
  assert.equal(report.mapsReleased, 0, 'opening has committed nothing of its own')
  return engine.journal.commitSeq - report.recordCount
}

function filesystemOf({ engine, orphans, hidden }: OpenedVolume): Filesystem {
  return new Filesystem({
    engine,
    orphans,
    hidden,
    kernel: NO_KERNEL,
    processes: new FakeProcesses(),
    options: { newFiles: 'ordinary', noAccessTimes: true },
    log: pino({ enabled: false }),
  })
}
