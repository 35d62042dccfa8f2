import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Device } from '../../src/device/device.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { Health } from '../../src/health.ts'
import { Journal } from '../../src/journal/journal.ts'
import { replayRing } from '../../src/journal/recovery.ts'
import type { Marker } from '../../src/store/marker.ts'
import type { Op } from '../../src/store/ops.ts'
import { DiskState } from '../support/devices/disk-state.ts'
import { FaultyDevice } from '../support/devices/faulty-device.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { Random, testSeed } from '../support/random.ts'
import { testClock } from '../support/volume.ts'

const RUN = { timeout: 20_000 } as const
const RING_BLOCKS = 256
const EPOCH = 3
const VOLUME = 0xabcd
const START = { commitSeq: 0, head: 0, tail: 0, epoch: EPOCH, volume: VOLUME }

const memory = (): MemoryDevice => new MemoryDevice(emptyImage(RING_BLOCKS))

function journalOn(device: Device): { journal: Journal; health: Health } {
  const health = new Health()
  const journal = new Journal(device.ring, health, START, testClock())
  health.onFailure(() => {
    journal.wake()
  })
  return { journal, health }
}

/** One operation that makes a record of about so many blocks. */
function put(name: string, blocks = 1): Op {
  return { type: 'put', key: `I${name}`, body: new Uint8Array((blocks - 1) * 4096 + 100).fill(7) }
}

/** What recovery finds behind a checkpoint. */
function replay(device: Device, commitSeq = 0, ringPosition = 0) {
  const marker: Marker = { commitSeq, ringPosition, epoch: EPOCH, blockCount: 1, freeCount: 1, nextIno: 2, clean: false } // prettier-ignore
  const keys: string[] = []
  const found = replayRing(device.ring, marker, VOLUME, (ops) => {
    for (const op of ops) {
      assert.ok(op.type === 'put')
      keys.push(op.key)
    }
  })
  return { ...found, keys }
}

test('commits are numbered and found again in their order', RUN, async () => {
  const device = memory()
  const { journal } = journalOn(device)
  const names = Array.from({ length: 20 }, (_, i) => String(i))
  for (const [i, name] of names.entries()) {
    assert.equal(journal.append([put(name, 1 + (i % 3))], i % 2 === 0), i + 1)
  }
  await journal.flush()
  assert.ok(journal.isDurable)
  const found = replay(device)
  assert.deepEqual(found.keys, names.map((name) => `I${name}`)) // prettier-ignore
  assert.equal(found.position, journal.position)
  assert.equal(found.damage, undefined)
})

test('a commit that is not soon survives the process at once', RUN, async () => {
  const device = memory()
  const { journal } = journalOn(device)
  journal.append([put('a')], true)
  assert.deepEqual(replay(device).keys, [], 'it waits for the flush that follows')
  journal.append([put('b')], false)
  assert.deepEqual(replay(device).keys, ['Ia', 'Ib'])
  assert.equal(journal.isDurable, false)
  await journal.flush()
  assert.equal(journal.isDurable, true)
})

test('flush() resolves when its commits are durable, in any interleaving', RUN, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const device = new RecordingDevice(DiskState.of(emptyImage(RING_BLOCKS)), { random })
  const { journal } = journalOn(device)
  let durable = 0
  const flushes: Promise<void>[] = []
  for (let i = 0; i < 100; i++) {
    const soon = random.oneIn(2)
    while (!journal.hasRoom(2, soon)) await Promise.all(flushes.splice(0))
    const commitSeq = journal.append([put(String(i), 1 + random.int(2))], soon)
    if (soon || random.oneIn(5)) {
      flushes.push(
        journal.flush().then(() => {
          durable = Math.max(durable, commitSeq)
          assert.ok(replay(device).commitSeq >= commitSeq)
        }),
      )
    }
    if (journal.usedBlocks > 150) break
  }
  await Promise.all(flushes)
  assert.ok(durable > 0)
})

test('the ring goes round, and records do not wrap', RUN, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const device = memory()
  const { journal } = journalOn(device)
  let checkpoint = { commitSeq: 0, position: 0 }
  const since: string[] = []
  for (let i = 0; i < 600; i++) {
    const blocks = 1 + random.int(journal.recordBlocksMax - 1)
    if (!journal.hasRoom(blocks)) {
      await journal.flush()
      checkpoint = { commitSeq: journal.commitSeq, position: journal.position }
      journal.release(checkpoint.commitSeq, checkpoint.position)
      since.length = 0
    }
    assert.ok(journal.hasRoom(blocks))
    journal.append([put(String(i), blocks)], false)
    since.push(`I${i}`)
    assert.ok(journal.usedBlocks <= RING_BLOCKS)
    const found = replay(device, checkpoint.commitSeq, checkpoint.position)
    assert.deepEqual(found.keys, since)
    assert.equal(found.damage, undefined)
  }
  assert.ok(journal.position > 10 * RING_BLOCKS)
})

test('a commit larger than a record comes back whole or not at all', RUN, async () => {
  const device = memory()
  const { journal } = journalOn(device)
  journal.append([put('before')], false)
  const start = journal.position
  const ops = Array.from({ length: 9 }, (_, i) => put(`part${i}`, 7))
  const commitSeq = journal.append(ops, true)
  assert.ok(commitSeq > 2, 'it takes several records')
  assert.ok(journal.position - start <= journal.commitBlocksMax)
  await journal.flush()
  const whole = ['Ibefore', ...ops.map((op) => ('key' in op ? op.key : ''))]
  assert.deepEqual(replay(device).keys, whole)
  journal.append([put('behind')], false)
  for (let position = start; position < journal.position; position++) {
    const block = Buffer.alloc(4096)
    device.ring.read(position, block)
    device.ring.write(position, Buffer.alloc(4096))
    const { keys } = replay(device)
    const isLast = position === journal.position - 1
    assert.deepEqual(keys, isLast ? whole : ['Ibefore'], `without block ${position}`)
    device.ring.write(position, block)
  }
  assert.deepEqual(replay(device).keys, [...whole, 'Ibehind'])
})

test('large commits go round the ring, too', RUN, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const device = memory()
  const { journal } = journalOn(device)
  for (let i = 0; i < 100; i++) {
    const ops = Array.from({ length: 1 + random.int(12) }, (_, j) => put(`${i}.${j}`, 1 + random.int(4)))
    assert.ok(journal.hasRoom(journal.commitBlocksMax))
    const { commitSeq, position } = journal
    journal.append(ops, random.oneIn(2))
    await journal.flush()
    const keys = ops.map((op) => ('key' in op ? op.key : ''))
    assert.deepEqual(replay(device, commitSeq, position).keys, keys)
    journal.release(journal.commitSeq, journal.position)
  }
  assert.ok(journal.position > 2 * RING_BLOCKS)
}) // prettier-ignore

test('room() waits for a release, and asks for a checkpoint', RUN, async () => {
  const { journal } = journalOn(memory())
  let asked = 0
  journal.onPressure = () => {
    asked++
  }
  while (journal.hasRoom(24)) journal.append([put('a', 8)], false)
  let hasRoom = false
  const room = journal.room(24).then(() => {
    hasRoom = true
  })
  await new Promise(setImmediate)
  assert.equal(hasRoom, false)
  assert.ok(asked > 0)
  await journal.flush()
  journal.release(journal.commitSeq, journal.position)
  journal.wake()
  await room
  assert.equal(hasRoom, true)
})

test('who waits for room learns that the volume failed', RUN, async () => {
  const { journal, health } = journalOn(memory())
  while (journal.hasRoom(24)) journal.append([put('a', 8)], false)
  const room = journal.room(24)
  health.fail(new Error('gone'))
  await assert.rejects(room, (error: unknown) => error instanceof FsError && error.code === 'EROFS')
})

test('after a failed write or flush nothing is stored or called durable', RUN, async () => {
  for (const kind of ['ring.write', 'ring.flush', 'ring.writeDurable'] as const) {
    const device = new FaultyDevice(memory(), [{ kind, call: 0, result: 'EIO' }])
    const { journal, health } = journalOn(device)
    const work = async (): Promise<void> => {
      journal.append([put('a')], kind === 'ring.writeDurable')
      await journal.flush()
    }
    await assert.rejects(work, (error: unknown) => error instanceof FsError && error.code === 'EIO')
    assert.ok(health.failed)
    await assert.rejects(journal.flush(), FsError)
    assert.throws(() => journal.append([put('b')], true), FsError)
  }
})

test('a flush with nothing to do touches nothing', RUN, async () => {
  const device = new FaultyDevice(memory())
  const { journal } = journalOn(device)
  await journal.flush()
  journal.append([put('a')], true)
  await journal.flush()
  const calls = device.callCount('any')
  await journal.flush()
  assert.equal(device.callCount('any'), calls)
})

test('recovery stops at another epoch or volume', RUN, async () => {
  const device = memory()
  const { journal } = journalOn(device)
  journal.append([put('mine')], false)
  const old = new Journal(
    device.ring,
    new Health(),
    { ...START, commitSeq: 1, head: journal.position, tail: journal.position, epoch: EPOCH - 1 },
    testClock(),
  )
  old.append([put('old')], false)
  assert.deepEqual(replay(device).keys, ['Imine'])
})

test('a durable record that is gone is damage', RUN, async () => {
  const device = memory()
  const { journal } = journalOn(device)
  for (const name of ['a', 'b', 'c']) {
    journal.append([put(name)], true)
    await journal.flush()
  }
  assert.equal(replay(device).damage, undefined)
  device.ring.write(0, Buffer.alloc(4096))
  assert.match(replay(device).damage ?? '', /commit 1 was durable/)
})
