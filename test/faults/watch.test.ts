/** A disk that does not answer: who is told what, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallsUnderWay } from '../../src/device/calls-under-way.ts'
import { GuardedDevice } from '../../src/device/guarded-device.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { FaultyDevice } from '../support/devices/faulty-device.ts'

const BLOCK = new Uint8Array(4096)
const EIO = { code: 'EIO' }

interface Pending {
  readonly settled: Promise<string>
  readonly answer: () => void
}

const nothing = (): void => undefined

function begin(calls: CallsUnderWay, what: string, isChange = false): Pending {
  let answer = nothing
  const work = new Promise<void>((resolve) => {
    answer = resolve
  })
  const settled = calls
    .run(what, () => work, isChange)
    .then(
      () => 'answered',
      (error: unknown) => String(error),
    )
  return { settled, answer }
}

function pass(calls: CallsUnderWay, seconds: number): void {
  for (let second = 0; second < seconds; second++) calls.tick()
}

function watched(options: { timeoutSeconds: number; isActive?: () => boolean }) {
  const lines: string[] = []
  const calls = new CallsUnderWay({
    ...options,
    onSlow: (what, seconds) => lines.push(`slow: ${what} ${seconds}`),
    onAnswer: (what, seconds) => lines.push(`answered: ${what} ${seconds}`),
  })
  return { calls, lines }
}

test('CallsUnderWay tells of a late call once, and of its answer', async () => {
  const { calls, lines } = watched({ timeoutSeconds: 0 })
  const quick = begin(calls, 'quick')
  pass(calls, 9)
  quick.answer()
  await quick.settled
  const late = begin(calls, 'late')
  pass(calls, 500)
  late.answer()
  assert.equal(await late.settled, 'answered')
  assert.deepEqual(lines, ['slow: late 10', 'answered: late 500'])
  assert.equal(calls.hasLost, false)
})

test('CallsUnderWay gives a call up, and knows of it until it returns', async () => {
  const { calls, lines } = watched({ timeoutSeconds: 20 })
  const lost = begin(calls, 'flush')
  pass(calls, 20)
  assert.match(await lost.settled, /Cannot flush: the disk has not answered for 20 seconds/)
  assert.equal(calls.hasLost, true)
  lost.answer()
  await new Promise(setImmediate)
  assert.equal(calls.hasLost, false)
  assert.deepEqual(lines, ['slow: flush 10', 'answered: flush 20'])
})

test('CallsUnderWay waits for a disk that is slow but at work, not for ever', async () => {
  let isActive = true
  const { calls } = watched({ timeoutSeconds: 20, isActive: () => isActive })
  const first = begin(calls, 'first')
  pass(calls, 199)
  first.answer()
  assert.equal(await first.settled, 'answered')
  const second = begin(calls, 'second')
  pass(calls, 200)
  assert.match(await second.settled, /not answered for 200 seconds/)
  const third = begin(calls, 'third')
  pass(calls, 50)
  isActive = false
  pass(calls, 20)
  assert.match(await third.settled, /not answered/)
})

test('CallsUnderWay gives up a read alone, and a change with all others', async () => {
  const { calls } = watched({ timeoutSeconds: 20 })
  const read = begin(calls, 'read')
  pass(calls, 10)
  const change = begin(calls, 'write', true)
  pass(calls, 10)
  assert.match(await read.settled, /Cannot read/)
  const [later, lateRead] = [begin(calls, 'flush', true), begin(calls, 'read')]
  pass(calls, 10)
  assert.match(await change.settled, /Cannot write/)
  assert.match(await later.settled, /Cannot flush/)
  lateRead.answer()
  assert.equal(await lateRead.settled, 'answered')
})

test('GuardedDevice changes nothing after a failed change, and goes on reading', async () => {
  const faulty = new FaultyDevice(new MemoryDevice())
  const device = new GuardedDevice(faulty)
  const failures: unknown[] = []
  device.onFailure((error) => failures.push(error))
  device.blocks.grow(8)
  faulty.failNext({ kind: 'blocks.grow', result: 'ENOSPC' })
  assert.throws(
    () => {
      device.blocks.grow(9)
    },
    { code: 'ENOSPC' },
  )
  faulty.failNext({ kind: 'ring.read', result: 'EIO' })
  assert.throws(() => {
    device.ring.read(0, BLOCK)
  }, EIO)
  await device.ring.flush()
  assert.deepEqual(failures, [])
  faulty.failNext({ kind: 'blocks.grow', result: 'EIO' })
  assert.throws(() => {
    device.blocks.grow(9)
  }, EIO)
  const before = faulty.trace.length
  await assert.rejects(device.ring.flush(), EIO)
  await assert.rejects(device.ring.writeDurable(0, BLOCK), EIO)
  await assert.rejects(device.blocks.flush(), EIO)
  await assert.rejects(device.index.batch([]), EIO)
  await assert.rejects(device.writeSuperblock(0, BLOCK), EIO)
  for (const change of [
    () => device.ring.write(0, BLOCK),
    () => device.blocks.write(1, BLOCK),
    () => device.blocks.grow(2),
  ]) {
    assert.throws(change, EIO)
  }
  assert.equal(faulty.trace.length, before, 'the disk was not asked')
  device.ring.read(0, Buffer.alloc(4096))
  assert.equal(failures.length, 1)
})

test('GuardedDevice takes back the success of what another failure has overtaken', async () => {
  const faulty = new FaultyDevice(new MemoryDevice())
  const device = new GuardedDevice(faulty)
  const flush = device.blocks.flush()
  faulty.failNext({ kind: 'ring.write', result: 'EIO' })
  assert.throws(() => {
    device.ring.write(0, BLOCK)
  }, EIO)
  await assert.rejects(flush, EIO)
})

test('GuardedDevice does not wait for what was given up when it is closed', async () => {
  const faulty = new FaultyDevice(new MemoryDevice())
  const calls = new CallsUnderWay({ timeoutSeconds: 5 })
  const device = new GuardedDevice(faulty, calls)
  faulty.failNext({ kind: 'ring.flush', result: 'hang' })
  const flush = device.ring.flush()
  pass(calls, 5)
  await assert.rejects(flush, EIO)
  await assert.rejects(device.close(), { message: /the disk does not answer/ })
})
