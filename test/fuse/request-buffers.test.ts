import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lane } from '../../src/fuse/kernel/lane.ts'
import { RequestBufferPool } from '../../src/fuse/kernel/request-buffers.ts'

test('RequestBufferPool.next() gives the same buffer until it is held', () => {
  const pool = new RequestBufferPool()
  const first = pool.next()
  assert.equal(pool.next(), first)
  const release = first.hold()
  const second = pool.next()
  assert.notEqual(second, first)
  release()
  release()
  assert.equal(pool.next(), second, 'the reader keeps the one it has')
  second.hold()
  assert.equal(pool.next(), first, 'a released buffer is used again')
})

test('a buffer that is held twice is free after both releases', () => {
  const pool = new RequestBufferPool()
  const buffer = pool.next()
  const [one, two] = [buffer.hold(), buffer.hold()]
  one()
  assert.ok(buffer.isHeld)
  two()
  assert.ok(!buffer.isHeld)
  assert.equal(pool.next(), buffer)
})

test('a payload lies on a page boundary, in any buffer of any arena', () => {
  const pool = new RequestBufferPool()
  const seen = new Set<bigint>()
  for (let count = 0; count < 40; count++) {
    const buffer = pool.next()
    buffer.hold()
    assert.equal((buffer.address + 80n) % 4096n, 0n)
    seen.add(buffer.address)
  }
  assert.equal(seen.size, 40)
})

test('Lane.run() runs no more than its width at once, and goes on after failures', async () => {
  const lane = new Lane(2)
  let running = 0
  let runningMax = 0
  const work = async (): Promise<void> => {
    running++
    runningMax = Math.max(runningMax, running)
    await new Promise(setImmediate)
    running--
    throw new Error('fails')
  }
  const results = await Promise.allSettled(Array.from({ length: 10 }, async () => lane.run(work)))
  assert.equal(results.length, 10)
  assert.equal(runningMax, 2)
  assert.equal(running, 0)
})
