/** The ring for write-backs, on ordinary files. Where the kernel has none there is nothing to test. */
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync, writeSync } from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERRNO } from '../../src/errors.ts'
import { IoRing } from '../../src/fuse/kernel/io-ring.ts'

const RUN = { timeout: 20_000 } as const
const FILE_COUNT = 200

test('a ring syncs more files than it has entries, again and again', RUN, async (context) => {
  const ring = await IoRing.open(FILE_COUNT)
  if (ring === undefined) {
    context.diagnostic('this kernel has no ring for us')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-ring-'))
  context.after(() => {
    ring.close()
    rmSync(folder, { recursive: true })
  })
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
  await ring.setFile(3, undefined)
  assert.deepEqual(await ring.sync([2, 3, 4]), [0, ERRNO.EBADF, 0])
})

test('a file of a ring is no descriptor of the process', RUN, async (context) => {
  const ring = await IoRing.open(8)
  if (ring === undefined) {
    context.diagnostic('this kernel has no ring for us')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-ring-'))
  context.after(() => {
    ring.close()
    rmSync(folder, { recursive: true })
  })
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
