/**
 * Goal: what a writer has left is decided before the next one opens the file, also while the RELEASE is
 * on its way, and where Linux has left out the FLUSH of a process that was killed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as v from '../support/volume.ts'
import { TIMEOUT, close, fileWith, isStaged, openFile, setXattr, text, writeText } from './fixture.ts' // prettier-ignore

const FIRST = 100
const SECOND = 200
const READING = 0

/** A file that FIRST has written to. */
async function written(policy = 'publish') {
  const opened = await v.freshFilesystem()
  const { fs } = opened
  const ino = await fileWith(fs, 'a', 'old')
  await setXattr(fs, ino, 'user.atomic', '1')
  await setXattr(fs, ino, 'user.atomic.onclose', policy)
  const fh = await openFile(fs, ino, v.O_RDWR, FIRST)
  await writeText(fs, fh, 'new')
  return { ...opened, ino, fh }
}

test('the death of the next writer takes nothing of what was closed before', TIMEOUT, async () => {
  for (const order of ['before', 'behind']) {
    const { fs, processes, ino, fh } = await written()
    await fs.flush(fh, { ...v.CALLER, pid: FIRST })
    processes.closed.add(FIRST)
    const next = await openFile(fs, ino, v.O_RDWR, SECOND)
    assert.equal(await isStaged(fs, ino), false)
    if (order === 'before') await fs.release(fh)
    await writeText(fs, next, 'half')
    processes.states.set(SECOND, 'died')
    await close(fs, next, SECOND)
    if (order === 'behind') await fs.release(fh)
    assert.equal(await text(fs, ino), 'new')
    assert.equal(await isStaged(fs, ino), false)
  }
})

test('what is closed with onclose=discard is not for the next writer', TIMEOUT, async () => {
  const { fs, processes, ino, fh } = await written('discard')
  await fs.flush(fh, { ...v.CALLER, pid: FIRST })
  processes.closed.add(FIRST)
  await openFile(fs, ino, v.O_RDWR, SECOND)
  assert.equal(await text(fs, ino), 'old')
})

test('nobody sees what is left by who died without a FLUSH', TIMEOUT, async () => {
  for (const flags of [READING, v.O_RDWR]) {
    const { fs, processes, ino, fh } = await written()
    processes.closed.add(FIRST)
    processes.gone.add(FIRST)
    const next = await openFile(fs, ino, flags, SECOND)
    assert.equal(await isStaged(fs, ino), false)
    assert.equal(await text(fs, ino), 'old')
    await fs.release(fh)
    await close(fs, next, SECOND)
    assert.equal(await text(fs, ino), 'old')
  }
})

test('an open changes nothing while the writer, or a child of it, goes on', TIMEOUT, async () => {
  const { fs, processes, ino, fh } = await written()
  await openFile(fs, ino, v.O_RDWR, SECOND)
  assert.equal(await isStaged(fs, ino), true, 'it has not closed')
  processes.closed.add(FIRST)
  await openFile(fs, ino, v.O_RDWR, SECOND)
  assert.equal(await isStaged(fs, ino), true, 'it may be about to')
  processes.gone.add(FIRST)
  processes.otherWriter = true
  for (const flags of [READING, v.O_RDWR]) await openFile(fs, ino, flags, SECOND)
  assert.equal(await isStaged(fs, ino), true, 'a child has it')
  await fs.flush(fh, { ...v.CALLER, pid: FIRST })
  await openFile(fs, ino, v.O_RDWR, SECOND)
  assert.equal(await isStaged(fs, ino), true)
})

test('a handle that was out of sight is a writer again when it is used', TIMEOUT, async () => {
  const { fs, processes, ino, fh } = await written()
  await fs.flush(fh, { ...v.CALLER, pid: FIRST })
  processes.closed.add(FIRST)
  await close(fs, await openFile(fs, ino, v.O_RDWR, SECOND), SECOND)
  assert.equal(await text(fs, ino), 'new')
  await writeText(fs, fh, 'newer')
  assert.equal(await isStaged(fs, ino), true)
  await close(fs, fh, FIRST)
  assert.equal(await text(fs, ino), 'newer')
  assert.equal(await isStaged(fs, ino), false)
})

test('a RELEASE that is late does not keep the update of a dead one', TIMEOUT, async () => {
  const { fs, processes, ino, fh } = await written()
  await fs.fsync(fh)
  await fs.flush(fh, { ...v.CALLER, pid: FIRST })
  const next = await openFile(fs, ino, v.O_RDWR, FIRST)
  await writeText(fs, next, 'half')
  processes.states.set(FIRST, 'died')
  await fs.flush(next, { ...v.CALLER, pid: FIRST })
  assert.equal(await isStaged(fs, ino), false, 'before the locks of the dead are dropped')
  assert.equal(await text(fs, ino), 'new')
  for (const handle of [next, fh]) await fs.release(handle)
  assert.equal(await text(fs, ino), 'new')
})

test('a dead writer leaves what is staged to another who goes on', TIMEOUT, async () => {
  const { fs, processes, ino, fh } = await written()
  const other = await openFile(fs, ino, v.O_RDWR, SECOND)
  processes.states.set(FIRST, 'died')
  await close(fs, fh, FIRST)
  assert.equal(await isStaged(fs, ino), true)
  await close(fs, other, SECOND)
  assert.equal(await text(fs, ino), 'new')
})

test('who was closed last decides, in whatever order RELEASEs come', TIMEOUT, async () => {
  for (const isReversed of [false, true]) {
    const { fs, processes, ino, fh } = await written()
    await fs.fsync(fh)
    await fs.flush(fh, { ...v.CALLER, pid: FIRST })
    const next = await openFile(fs, ino, v.O_RDWR, SECOND)
    await writeText(fs, next, 'half')
    // Linux leaves out its FLUSH.
    processes.gone.add(SECOND)
    for (const handle of isReversed ? [next, fh] : [fh, next]) await fs.release(handle)
    assert.equal(await text(fs, ino), 'new')
    assert.equal(await isStaged(fs, ino), false)
  }
})

test('nobody builds on the update of a dead one beside one closed in order', TIMEOUT, async () => {
  const { fs, processes, ino, fh } = await written()
  await fs.fsync(fh)
  await fs.flush(fh, { ...v.CALLER, pid: FIRST })
  const next = await openFile(fs, ino, v.O_RDWR, SECOND)
  await writeText(fs, next, 'half')
  for (const pid of [FIRST, SECOND]) {
    processes.gone.add(pid)
    processes.closed.add(pid)
  }
  const third = await openFile(fs, ino, v.O_RDWR, 300)
  assert.equal(await text(fs, ino), 'new')
  for (const handle of [fh, next, third]) await fs.release(handle)
  assert.equal(await text(fs, ino), 'new')
})
