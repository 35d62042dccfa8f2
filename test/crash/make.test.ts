/** Goal: a crash while a volume is made leaves one that is recognised as unfinished, or a volume. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { allCrashImages } from '../support/devices/crash-images.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { Random, testSeed } from '../support/random.ts'
import { makeTestVolume, openTestFilesystem } from '../support/volume.ts'
import { emptyState } from './model.ts'
import { judge } from './judge.ts'
import { TIMEOUT } from './run-workload.ts'

test('makeVolumeOn() leaves an unfinished volume or a whole one', TIMEOUT, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const device = new RecordingDevice(DiskState.of(emptyImage(256)), { random: random.fork() })
  await makeTestVolume(device)
  let [unfinishedCount, wholeCount] = [0, 0]
  for (const image of allCrashImages(device.log, random, { randomCount: 10 })) {
    const isUnfinished = await openTestFilesystem(image.device).then(
      () => false,
      (error: unknown) => error instanceof FsError && error.code === 'EINVAL',
    )
    if (isUnfinished) {
      unfinishedCount++
      continue
    }
    wholeCount++
    const opened = image.device
    await judge(image.name, opened, [emptyState()])
    const [first, second] = [opened.readSuperblock(0), opened.readSuperblock(1)]
    assert.deepEqual(second, first, 'opening has written the copy that was missing')
  }
  assert.ok(unfinishedCount > 0 && wholeCount > 0)
})
