/**
 * Goal: no block has two owners, none is reused before a checkpoint that started after it was freed,
 * and all counts are exact. Method: random calls on the allocator and on plain sets.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { Allocator } from '../../src/store/allocator.ts'
import { Bitmap, GROUP_BLOCKS } from '../../src/store/bitmap.ts'
import { u32FromKey } from '../../src/store/keys.ts'
import { openValue } from '../../src/store/metadata.ts'
import { Random, testSeed } from '../support/random.ts'
import { RUN } from './arbitraries.ts'

const BLOCKS_MAX = 200

const STEPS: readonly ((reference: Reference) => void)[] = [
  (reference) => {
    reference.reserve()
  },
  (reference) => {
    reference.allocate()
  },
  (reference) => {
    reference.allocate()
  },
  (reference) => {
    reference.unreserve()
  },
  (reference) => {
    reference.discard()
  },
  (reference) => {
    reference.map()
  },
  (reference) => {
    reference.unmap()
  },
  (reference) => {
    reference.checkpoint()
  },
]

class Reference {
  readonly random: Random
  readonly device = new MemoryDevice(emptyImage(), { blockCountMax: BLOCKS_MAX })
  allocator = new Allocator(this.device.blocks)
  readonly staged = new Set<number>()
  readonly mapped = new Set<number>()
  freed = new Set<number>()
  releasing = new Set<number>()
  reserved = 0
  isCapturing = false

  constructor(random: Random) {
    this.random = random
  }

  get ownedCount(): number {
    return this.staged.size + this.mapped.size + this.freed.size + this.releasing.size
  }

  step(): void {
    this.random.pick(STEPS)(this)
    const { allocator } = this
    assert.equal(allocator.mappedCount, this.mapped.size)
    assert.equal(
      allocator.availableCount,
      allocator.blockCount - 1 - this.ownedCount - this.reserved,
    )
  }

  reserve(): void {
    const count = this.random.int(30)
    const before = this.allocator.availableCount
    try {
      this.allocator.reserve(count)
      this.reserved += count
    } catch (error) {
      assert.ok(error instanceof FsError && error.code === 'ENOSPC')
      assert.ok(this.ownedCount + this.reserved + count > BLOCKS_MAX - 1, 'there was no space')
      assert.equal(this.allocator.availableCount, before)
    }
  }

  unreserve(): void {
    const count = this.random.int(this.reserved + 1)
    this.allocator.unreserve(count)
    this.reserved -= count
  }

  allocate(): void {
    if (this.reserved === 0) return
    const wanted = 1 + this.random.int(this.reserved)
    const { start, count } = this.allocator.allocate(wanted)
    assert.ok(count >= 1 && count <= wanted)
    for (let block = start; block < start + count; block++) {
      assert.ok(block > 0 && block < this.allocator.blockCount)
      for (const owned of [this.staged, this.mapped, this.freed, this.releasing]) {
        assert.ok(!owned.has(block), `block ${block} is handed out once`)
      }
      this.staged.add(block)
    }
    this.reserved -= count
  }

  discard(): void {
    for (const block of this.random.shuffle([...this.staged]).slice(0, 3)) {
      this.allocator.discard({ start: block, count: 1 })
      this.staged.delete(block)
    }
  }

  map(): void {
    for (const block of [...this.staged].slice(0, 4)) {
      this.allocator.map(block)
      this.allocator.map(block)
      this.staged.delete(block)
      this.mapped.add(block)
    }
  }

  unmap(): void {
    for (const block of this.random.shuffle([...this.mapped]).slice(0, 5)) {
      this.allocator.unmap(block)
      this.mapped.delete(block)
      this.freed.add(block)
    }
  }

  checkpoint(): void {
    if (this.isCapturing) {
      this.allocator.release()
      this.releasing = new Set()
    } else {
      this.allocator.capture()
      this.releasing = this.freed
      this.freed = new Set()
    }
    this.isCapturing = !this.isCapturing
  }
}

test('the allocator does what sets of blocks do', RUN, (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  for (let run = 0; run < 30; run++) {
    const reference = new Reference(random.fork())
    for (let step = 0; step < 500; step++) reference.step()
  }
})

test('what a capture persists is what is mapped', RUN, (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  const { allocator, device } = new Reference(random)
  const blocks: number[] = []
  allocator.reserve(50)
  for (let left = 50; left > 0;) {
    const run = allocator.allocate(1 + random.int(left))
    for (let i = 0; i < run.count; i++) blocks.push(run.start + i)
    left -= run.count
  }
  for (const block of blocks) allocator.map(block)
  for (const block of blocks.slice(0, 20)) allocator.unmap(block)
  const again = new Allocator(device.blocks)
  for (const operation of allocator.capture()) {
    assert.ok(operation.type === 'put')
    again.load(u32FromKey(operation.key, 1), openValue(operation.key, operation.value))
  }
  assert.equal(again.mappedCount, 30)
  for (const [i, block] of blocks.entries()) assert.equal(again.isMapped(block), i >= 20)
  assert.equal(again.availableCount, again.blockCount - 1 - 30)
})

test('load() refuses a bitmap that reaches behind the volume', RUN, () => {
  const allocator = new Allocator(new MemoryDevice().blocks)
  const bytes = Buffer.alloc(GROUP_BLOCKS / 8)
  allocator.load(3, bytes)
  bytes[500] = 1
  assert.throws(() => {
    allocator.load(0, bytes)
  }, FsError)
})

test('a bitmap finds the first absent bit from anywhere, going round', RUN, () => {
  const bits = fc.uniqueArray(fc.nat(199))
  fc.assert(
    fc.property(bits, fc.nat(199), fc.integer({ min: 1, max: 80 }), (present, from, countMax) => {
      const bitmap = new Bitmap(200)
      for (const bit of present) bitmap.set(bit)
      assert.equal(bitmap.setCount, present.length)
      const set = new Set(present)
      const order = Array.from({ length: 200 }, (_, i) => (from + i) % 200)
      const start = order.find((bit) => !set.has(bit))
      const run = bitmap.findRun(from, countMax)
      assert.equal(run?.start, start)
      if (run === undefined) return
      assert.ok(run.count <= countMax)
      const end = run.start + run.count
      for (let bit = run.start; bit < end; bit++) assert.ok(!set.has(bit) && bit < 200)
      assert.ok(run.count === countMax || end === 200 || set.has(end), 'the run is not cut short')
    }),
  )
})

test('a bitmap keeps its bits when it grows, and over its groups', RUN, () => {
  const bits = fc.uniqueArray(fc.nat(3 * GROUP_BLOCKS - 1), { maxLength: 50 })
  fc.assert(
    fc.property(bits, (present) => {
      const bitmap = new Bitmap(1)
      const copy = new Bitmap(3 * GROUP_BLOCKS)
      for (const bit of present) {
        bitmap.resize(bit + 1)
        bitmap.set(bit)
      }
      for (const group of [0, 1, 2]) copy.loadGroup(group, bitmap.group(group))
      for (const group of [0, 1, 2]) copy.loadGroup(group, bitmap.group(group))
      assert.equal(copy.setCount, present.length)
      for (const bit of present) assert.ok(copy.has(bit) && bitmap.has(bit))
      for (const bit of present) bitmap.clear(bit)
      assert.equal(bitmap.setCount, 0)
    }),
  )
})
