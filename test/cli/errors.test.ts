/** What cannot be mounted, made, checked or dumped is refused with a reason; nothing is left behind. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import {
  FORMAT_MAJOR,
  type Superblock,
  decodeSuperblock,
  encodeSuperblock,
} from '../../src/store/superblock.ts'
import { openVolumeAt } from '../../src/volume/path.ts'
import { makeFolder, makePlace, oatomic, refuse, succeed } from './support/command.ts'

const TEST = { timeout: 60_000 }

test('a volume that is not there is not made', TEST, async (context) => {
  const { folder, mountpoint } = await makePlace(context)
  const absent = join(folder, 'absent')
  const hint =
    /Cannot mount volume ".*absent": there is none; make it with: oatomic make .*absent\n/
  await refuse(['mount', absent, mountpoint], 2, hint)
  assert.ok(!existsSync(absent))
  await refuse(['check', absent], 2, /there is no volume/)
  await refuse(['dump', absent], 2, /there is no volume/)
})

test('a folder that is no volume is refused', TEST, async (context) => {
  const { folder, mountpoint } = await makePlace(context)
  const other = join(folder, 'other')
  await mkdir(other)
  await writeFile(join(other, 'letter'), 'dear')
  await refuse(['mount', other, mountpoint], 2, /"[^"]*other": it is not a volume/)
  await refuse(['mount', other, mountpoint, '-o', 'create'], 2, /the folder is not empty/)
  await refuse(['make', other], 2, /the folder is not empty/)
  await refuse(['check', other], 2, /there is no volume/)
})

test('a block file without a superblock is refused', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  await overwriteSuperblocks(volume, Buffer.alloc(BLOCK_SIZE, 'x'))
  await refuse(['mount', volume, mountpoint], 2, /does not begin with a superblock/)
})

test('a volume of a newer format is refused', TEST, async (context) => {
  const { volume, mountpoint } = await makePlace(context)
  const superblock = await readSuperblock(volume)
  const newer = { ...superblock, formatMajor: FORMAT_MAJOR + 1 }
  await overwriteSuperblocks(volume, encodeSuperblock(newer))
  for (const line of [
    ['mount', volume, mountpoint],
    ['check', volume],
    ['dump', volume],
  ]) {
    await refuse(line, 2, /its format is 2\.0.*use a newer oatomic/)
  }
})

test('a mount point must be a directory that is there', TEST, async (context) => {
  const { folder, volume } = await makePlace(context)
  const file = join(folder, 'file')
  await writeFile(file, '')
  await refuse(['mount', volume, file], 2, /Cannot mount on ".*file": it is not a directory/)
  await refuse(['mount', volume, join(file, 'x')], 2, /it is not a directory/)
  await refuse(['mount', volume, join(folder, 'absent')], 2, /there is no such directory/)
})

test('neither the volume nor the log may be under the mount', TEST, async (context) => {
  const { folder, volume, mountpoint } = await makePlace(context)
  await refuse(['mount', volume, folder], 2, /the volume would be under the mount/)
  await refuse(['mount', volume, volume], 2, /the volume would be under the mount/)
  const log = `log=${join(mountpoint, 'log')}`
  await refuse(['mount', volume, mountpoint, '-o', log], 2, /the log would be under the mount/)
})

test('a log that cannot be written is refused', TEST, async (context) => {
  const { folder, volume, mountpoint } = await makePlace(context)
  for (const log of [join(folder, 'absent', 'log'), folder]) {
    await refuse(['mount', volume, mountpoint, '-o', `log=${log}`], 2, /Cannot write log/)
  }
})

test('a volume that another process has open is refused', TEST, async (context) => {
  const { volume } = await makePlace(context)
  const held = await openVolumeAt(volume, true)
  try {
    await refuse(['check', volume], 3, /is in use by another process/)
    await refuse(['dump', volume], 3, /is in use by another process/)
  } finally {
    await held.device.close()
  }
})

test('unmount refuses what is not mounted', TEST, async (context) => {
  const { mountpoint } = await makePlace(context)
  await refuse(['unmount', mountpoint], 2, /no oatomic volume is mounted there/)
  await refuse(['unmount', '/proc'], 2, /no oatomic volume is mounted there/)
})

test('make refuses a volume that is there', TEST, async (context) => {
  const { volume } = await makePlace(context)
  await refuse(['make', volume], 2, /there is one already/)
})

test('check ends with 4 when it finds damage, and says where', TEST, async (context) => {
  const { volume } = await makePlace(context)
  assert.match(await succeed(['check', volume]), /^clean: 1 inodes/)
  const file = await open(join(volume, 'blocks'), 'r+')
  await file.write(Buffer.alloc(BLOCK_SIZE, 'x'), 0, BLOCK_SIZE, 0)
  await file.close()
  const text = await oatomic(['check', volume, '--no-data'])
  assert.equal(text.status, 4)
  assert.match(text.stdout, /F1: .*\n.*1 findings/)
  const json = await oatomic(['check', volume, '--json'])
  assert.equal(json.status, 4)
  assert.match(json.stdout, /^\{"mappedCount".*"isClean":false.*\}\n$/)
})

test('dump refuses a path that is not there', TEST, async (context) => {
  const { volume } = await makePlace(context)
  assert.match(await succeed(['dump', volume]), /^superblock {2}format 1\.0/)
  assert.match(await succeed(['dump', volume, '/', '--json']), /^\{"kind":"inode".*\}\n$/)
  await refuse(['dump', volume, '/absent'], 2, /absent/)
})

test('a relative path is one from the current folder', TEST, async (context) => {
  const folder = await makeFolder(context)
  const made = await oatomic(['make', 'volume', '--ring-size', '1M'], { cwd: folder })
  assert.equal(made.stdout, `Made volume "${folder}/volume"\n`)
  await refuse(['make', 'volume'], 2, /there is one already/, { cwd: folder })
})

async function readSuperblock(volume: string): Promise<Superblock> {
  const file = await open(join(volume, 'blocks'), 'r')
  const block = Buffer.alloc(BLOCK_SIZE)
  await file.read(block, 0, BLOCK_SIZE, 0)
  await file.close()
  const superblock = decodeSuperblock(block)
  assert.ok(typeof superblock === 'object')
  return superblock
}

async function overwriteSuperblocks(volume: string, block: Uint8Array): Promise<void> {
  const file = await open(join(volume, 'blocks'), 'r+')
  await file.write(block, 0, BLOCK_SIZE, 0)
  await file.write(block, 0, BLOCK_SIZE, BLOCK_SIZE)
  await file.close()
}
