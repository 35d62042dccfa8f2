/** The parts of the transport fuse-native that need no mount. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { FsError } from '../../src/errors.ts'
import { loadAddon } from '../../src/fuse/native/addon.ts'
import { encodeStat } from '../../src/fuse/native/encoders.ts'
import { Handles } from '../../src/fuse/native/handles.ts'
import { HeldInodes } from '../../src/fuse/native/held-inodes.ts'
import { HiddenFiles } from '../../src/fuse/native/hidden-files.ts'
import { libfuseOptions } from '../../src/fuse/native/mount-options.ts'
import { MemoryFilesystem } from './support/memory-filesystem.ts'

test('loadAddon() says what to install where there is nothing', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-addon-'))
  context.after(() => rm(folder, { recursive: true }))
  assert.throws(
    () => loadAddon(pathToFileURL(join(folder, 'main.js')).href),
    (error) =>
      error instanceof FsError &&
      error.code === 'ENOSYS' &&
      /^Cannot use the transport fuse-native: [^\n]*apt-get install libfuse2/.test(error.message),
  )
})

test('libfuseOptions() escapes the source and knows the standard options', () => {
  const text = libfuseOptions('/a,b\\c', { standard: ['ro', 'nosuid', 'relatime'] })
  assert.match(text, /^-ofsname=\/a\\,b\\\\c,subtype=oatomic,/)
  assert.match(text, /,ro,nosuid$/)
  assert.doesNotMatch(text, /relatime/)
  assert.throws(() => libfuseOptions('/a', { standard: ['debug'] }), { code: 'EINVAL' })
  assert.throws(() => libfuseOptions(`/${'a'.repeat(1000)}`, {}), { code: 'EINVAL' })
})

test('encodeStat() counts nanoseconds forwards, also before 1970', () => {
  const times = { atimeNs: -1n, mtimeNs: -2_000_000_000n, ctimeNs: 1_000_000_002n, btimeNs: 0n }
  const numbers = { ino: 2 ** 40, nlink: 3, uid: 4, gid: 5, rdev: 6, size: 2 ** 43, sectors: 8 }
  const stat = encodeStat({ mode: 0o100644, ...numbers, ...times })
  const at = (offset: number): bigint => stat.readBigInt64LE(offset)
  assert.deepEqual([at(8), at(16), at(48), at(64)], [2n ** 40n, 3n, 2n ** 43n, 8n])
  assert.deepEqual([at(72), at(80)], [-1n, 999_999_999n])
  assert.deepEqual([at(88), at(96)], [-2n, 0n])
  assert.deepEqual([at(104), at(112)], [1n, 2n])
})

test('Handles gives no number twice while it is in use', () => {
  const handles = new Handles()
  const first = handles.add({ fh: 10, ino: 1 })
  const second = handles.add({ fh: 20, ino: 2 })
  assert.notEqual(first, second)
  assert.deepEqual(handles.remove(first), { fh: 10, ino: 1 })
  assert.throws(() => handles.get(first), { code: 'EBADF' })
  assert.deepEqual(handles.get(second), { fh: 20, ino: 2 })
})

test('HeldInodes and HiddenFiles give back every reference', () => {
  const filesystem = new MemoryFilesystem()
  const caller = { uid: 0, gid: 0, pid: 0 }
  const { ino } = filesystem.makeNode(1, 'file', 0o100644, 0, caller)
  const count = (): number | undefined => filesystem.nodes.get(ino)?.lookupCount
  const held = new HeldInodes(filesystem)
  held.take(ino)
  filesystem.remember(ino)
  held.take(ino)
  assert.equal(count(), 1)
  const hidden = new HiddenFiles(filesystem)
  filesystem.remember(ino)
  hidden.add(1, 'hidden', ino)
  assert.ok(hidden.isNeeded(1) && hidden.find(1, 'hidden') === ino)
  held.drop(ino)
  held.drop(ino)
  assert.equal(count(), 1)
  assert.ok(hidden.remove(1, 'hidden') && !hidden.remove(1, 'hidden') && !hidden.isNeeded(1))
  assert.equal(count() ?? 0, 0)
})
