/** The ring for write-backs, on ordinary files. Where the kernel has none there is nothing to test. */
import assert from 'node:assert/strict'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ERRNO } from '../../src/errors.ts'
import { ENTRY_COUNTS, IoRing } from '../../src/fuse/kernel/io-ring.ts'

const RUN = { timeout: 20_000 } as const
const FILE_COUNT = 2 * Math.max(...ENTRY_COUNTS) + 88

/** A ring, and a folder for its files. Where the kernel keeps rings from us there is nothing to test. */
async function opened(context: TestContext, fileCount: number, entryCounts = ENTRY_COUNTS) {
  const ring = await IoRing.open(fileCount, entryCounts)
  if (ring === undefined) {
    const [major = 0, minor = 0] = release().split('.').map(Number)
    const isOld = major < 6 || (major === 6 && minor < 5)
    assert.ok(isOld || isForbidden(), 'this kernel has rings')
    context.skip('no io_uring of Linux 6.5 here')
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-ring-'))
  context.after(() => {
    ring.close()
    rmSync(folder, { recursive: true })
  })
  return { ring, folder }
}

function isForbidden(): boolean {
  try {
    return readFileSync('/proc/sys/kernel/io_uring_disabled', 'utf8').trim() !== '0'
  } catch {
    return true
  }
}

for (const entryCount of ENTRY_COUNTS) {
  test(
    `a ring of ${entryCount} syncs more files than it has entries, again and again`,
    RUN,
    (context) => syncMany(context, entryCount),
  )
}

async function syncMany(context: TestContext, entryCount: number): Promise<void> {
  const made = await opened(context, FILE_COUNT, [entryCount])
  if (made === undefined) return
  const { ring, folder } = made
  const slots = Array.from({ length: FILE_COUNT }, (_, slot) => slot)
  const fds = slots.map((slot) => openSync(join(folder, String(slot)), 'w'))
  for (const [slot, fd] of fds.entries()) await ring.setFile(slot, fd)
  for (let round = 0; round < 5; round++) {
    for (const fd of fds) writeSync(fd, 'content')
    assert.deepEqual(
      await ring.sync(slots),
      slots.map(() => 0),
    )
  }
  for (const fd of fds) closeSync(fd)
  const both = await Promise.all([ring.sync(slots), ring.sync([7, 3])])
  assert.deepEqual(
    both.map((errnos) => errnos.length),
    [FILE_COUNT, 2],
    'the files are the ring’s own',
  )
  const [before, , after] = await Promise.all([
    ring.sync([2, 3, 4]),
    ring.setFile(3, undefined),
    ring.sync([2, 3, 4]),
  ])
  assert.deepEqual(before, [0, 0, 0], 'what was asked for before has the file still')
  assert.deepEqual(after, [0, ERRNO.EBADF, 0])
}

test('a file of a ring is no descriptor of the process', RUN, async (context) => {
  const made = await opened(context, 8)
  if (made === undefined) return
  const { ring, folder } = made
  const path = join(folder, 'file')
  const fd = openSync(path, 'w')
  await ring.setFile(0, fd)
  closeSync(fd)
  const open = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return ''
    }
  })
  assert.ok(!open.includes(path))
})
