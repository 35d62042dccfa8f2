import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkPath, openForReading } from '../../src/check/check-path.ts'
import { leafKey } from '../../src/store/keys.ts'
import { decodeLeaf } from '../../src/store/leaf.ts'
import { openValue } from '../../src/store/metadata.ts'
import { ENTRY } from '../cli/support/command.ts'
import { type Mount, mounted } from './support/mount.ts'
import { python, run, shell, start } from './support/run.ts'

const RING_BLOCKS = 1024
const DATA_START = 16 + RING_BLOCKS

/** Turns a bit of a file on the host around. */
function flip(path: string, position: number): void {
  const fd = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(fd, byte, 0, 1, position)
  writeSync(fd, Buffer.of((byte[0] ?? 0) ^ 16), 0, 1, position)
  closeSync(fd)
}

/** Where a file's block lies in the block file, of a volume that is not mounted. */
async function positionOf(mount: Mount, ino: number, fileBlock: number): Promise<number> {
  const device = await openForReading(mount.volume)
  const key = leafKey(ino, 0, Math.floor(fileBlock / 64))
  const leaf = decodeLeaf(openValue(key, device.index.get(key) ?? Buffer.alloc(0)))
  await device.close()
  return (DATA_START + leaf.block(fileBlock % 64)) * 4096
}

const scrub = (mount: Mount, ...options: string[]) =>
  start(process.execPath, [ENTRY, 'scrub', mount.path, ...options]).ended

/** A 4 MiB file with a damaged block, and another one. */
async function damaged(context: Parameters<typeof mounted>[0], fileBlock: number) {
  const mount = await mounted(context)
  await shell(`head -c 4M /dev/urandom > ${mount.folder}/copy; cp ${mount.folder}/copy ${mount.path}/file
    cp ${mount.folder}/copy ${mount.path}/other; sync -f ${mount.path}`)
  const ino = Number(await run('stat', ['-c', '%i', mount.at('file')]))
  await mount.unmount()
  const position = await positionOf(mount, ino, fileBlock)
  flip(join(mount.volume, 'blocks'), position + 99)
  await mount.remount()
  return { mount, ino, position }
}

test('a damaged block is EIO for its page alone, also when it is read ahead', async (context) => {
  const { mount } = await damaged(context, 300)
  const result = await python(
    `
path, copy = sys.argv[1:]
right = open(copy, 'rb').read()
fd = os.open(path, os.O_RDONLY)
bad = []
at = 0
while at < len(right):
    try:
        data = os.read(fd, 1 << 20)
        assert data and data == right[at:at + len(data)], at
        at += len(data)
    except OSError as error:
        assert error.errno == errno.EIO
        bad.append(at)
        at += 4096
        os.lseek(fd, at, os.SEEK_SET)
say(bad)
mapped = mmap.mmap(fd, len(right), prot=mmap.PROT_READ)
assert mapped[301 * 4096:] == right[301 * 4096:] and mapped[:300 * 4096] == right[:300 * 4096]
`,
    [mount.at('file'), join(mount.folder, 'copy')],
  )
  assert.equal(result.trim(), `[${300 * 4096}]`)
  await run('cmp', [mount.at('other'), join(mount.folder, 'copy')])
})

test('oatomic scrub reads the disk and not the cache, and says file and offset', async (context) => {
  const { mount, ino, position } = await damaged(context, 300)
  const found = await scrub(mount)
  assert.equal(found.status, 4)
  assert.match(found.stdout, new RegExp(`^error: /file \\(inode ${ino}\\), offset 1228800: block`))
  assert.match(found.stdout, /\nfinished: [\d.]+ MiB read, 1 findings, 0 mended\n$/)
  flip(join(mount.volume, 'blocks'), position + 99)
  const clean = await scrub(mount, '--json')
  assert.equal(clean.status, 0, clean.stdout)
  assert.match(clean.stdout, /^\{"state":"finished",.*"findings":\[\]\}\n$/)
  assert.equal((await scrub(mount, '--status')).status, 0)
  await mount.unmount()
})

test('oatomic scrub keeps to its rate, and can be stopped by another', async (context) => {
  const { mount } = await damaged(context, 900)
  const slow = start(process.execPath, [ENTRY, 'scrub', mount.path, '--rate', '1M'])
  const isRunning = async () => (await scrub(mount, '--status')).stdout.startsWith('running: ')
  while (!(await isRunning())) assert.equal(slow.process.exitCode, null)
  const second = await scrub(mount)
  assert.equal(second.status, 2)
  assert.match(second.stderr, /^oatomic: Cannot scrub "[^"]*": a scrub is running/)
  assert.equal((await scrub(mount, '--stop')).status, 0)
  const { stdout, status } = await slow.ended
  assert.match(stdout, /^stopped: /)
  assert.equal(status, 0)
})

test('a damaged superblock is mended while the volume is mounted', async (context) => {
  const mount = await mounted(context)
  flip(join(mount.volume, 'blocks'), 200)
  const { status, stdout } = await scrub(mount)
  assert.equal(status, 4)
  assert.match(stdout, /^mended: file "blocks", offset 0: copy 0 of the superblock is damaged\n/)
  await mount.unmount()
  assert.ok((await checkPath(mount.volume, { data: true })).isClean)
  assert.ok(statSync(join(mount.volume, 'blocks')).size > 0)
})
