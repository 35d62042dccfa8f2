/** The disk that other tests believe: what is flushed is in the log, what fails and hangs does so. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, start } from '../mount/support/run.ts'
import { atEnd } from '../support/devices/at-end.ts'
import type { Patch } from '../support/loop-disk/disk-content.ts'
import type { DiskEvent } from '../support/loop-disk/disk-log.ts'
import {
  type HostKind,
  SIZE_BYTES_MIN,
  makeHostFilesystem,
  makeHostFolder,
  mountHost,
  unmountHost,
} from '../support/loop-disk/host-filesystem.ts'
import { LoopDisk } from '../support/loop-disk/loop-disk.ts'

const TIMEOUT = { timeout: 120_000 }

for (const kind of ['ext4', 'xfs'] as const) {
  test(`LoopDisk.record() has all of a file on ${kind} that was flushed`, TIMEOUT, async (t) => {
    const events = await recordFile(t, kind)
    const marked = events.findIndex((event) => event.type === 'mark')
    assert.ok(marked > 0)
    const image = await LoopDisk.ofImage(t, sparseFile(t), SIZE_BYTES_MIN[kind])
    await image.reset(durableWrites(events.slice(0, marked)))
    const folder = await makeHostFolder(t)
    await mountHost(kind, image.device, folder)
    assert.equal(await run('cat', [join(folder, 'file')]), 'content\n')
    await unmountHost(folder)
    await image.reset([])
    const bare = await start('mount', ['-i', '-t', kind, image.device, folder]).ended
    assert.notEqual(bare.status, 0, 'reset() has taken the filesystem away')
  })
}

test('LoopDisk.fail() fails writes and flushes, and no others', TIMEOUT, async (t) => {
  const { device, disk } = await startDisk(t)
  await disk.fail({ kind: 'write', after: 1, count: 1, errno: 'EIO' })
  assert.equal(await writeBlock(device), 0)
  assert.notEqual(await writeBlock(device), 0)
  assert.equal(await writeBlock(device), 0)
  await disk.fail({ kind: 'flush', errno: 'EIO' })
  assert.notEqual(await writeBlock(device, 'fsync'), 0)
  await disk.heal()
  assert.equal(await writeBlock(device, 'fsync'), 0)
  await disk.fail({ kind: 'read', errno: 'EIO' })
  assert.notEqual((await start('dd', [`if=${device}`, 'count=1', 'iflag=direct']).ended).status, 0)
})

test('LoopDisk.hang() keeps a flush waiting until heal()', TIMEOUT, async (t) => {
  const { device, disk } = await startDisk(t)
  await disk.hang('flush')
  let hasEnded = false
  const writing = writeBlock(device, 'fsync').finally(() => (hasEnded = true))
  while ((await disk.waitingCount()) === 0) await sleep(5)
  assert.equal(hasEnded, false)
  await disk.heal()
  assert.equal(await writing, 0)
})

async function recordFile(t: TestContext, kind: HostKind): Promise<DiskEvent[]> {
  const disk = await LoopDisk.start(t, { sizeBytes: SIZE_BYTES_MIN[kind], isRecorded: true })
  await makeHostFilesystem(kind, disk.device)
  const folder = await makeHostFolder(t)
  await mountHost(kind, disk.device, folder)
  await run('sh', ['-c', `echo content > ${folder}/file && sync ${folder}/file ${folder}`])
  await disk.mark('synced')
  await unmountHost(folder)
  return disk.record()
}

/** The writes that a flush came after. */
function durableWrites(events: readonly DiskEvent[]): Patch[] {
  const last = events.findLastIndex((event) => event.type === 'flush')
  return events.slice(0, last).filter((event) => event.type === 'write')
}

function sparseFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-image-'))
  atEnd(t, () => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'image'), '')
  return join(folder, 'image')
}

async function startDisk(t: TestContext): Promise<{ disk: LoopDisk; device: string }> {
  const disk = await LoopDisk.start(t, { sizeBytes: 1024 * 1024 })
  return { disk, device: disk.device }
}

async function writeBlock(device: string, conversion = 'notrunc'): Promise<number | undefined> {
  const parameters = ['if=/dev/zero', `of=${device}`, 'bs=4096', 'count=1', 'oflag=direct']
  return (await start('dd', [...parameters, `conv=${conversion}`]).ended).status
}
