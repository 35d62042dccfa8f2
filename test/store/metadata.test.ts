import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTick } from 'node:timers/promises'
import type { Index } from '../../src/device/device.ts'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { FsError } from '../../src/errors.ts'
import { HomeWrites } from '../../src/store/home-writes.ts'
import { direntGroup, direntKey, inodeKey } from '../../src/store/keys.ts'
import { Metadata } from '../../src/store/metadata.ts'
import { Random, testSeed } from '../support/random.ts'
import { RUN } from './arbitraries.ts'

/** An index whose ranges and batches take several turns of the event loop. */
function slowIndex(index: Index, random: Random): Index {
  return {
    hasSpace: true,
    get: (key) => index.get(key),
    async *pages(from, to) {
      for await (const page of index.pages(from, to)) {
        if (random.oneIn(3)) await nextTick()
        yield page
      }
    },
    batch: async (operations) => {
      await nextTick()
      await index.batch(operations)
    },
  }
}

const page = (value: number): Uint8Array => new Uint8Array(1).fill(value)

const isEioOfKey = (error: unknown): boolean =>
  error instanceof FsError && error.code === 'EIO' && error.message.includes('4961')

class Overlay {
  readonly random: Random
  readonly metadata: Metadata
  readonly reference = new Map<string, Uint8Array>()
  private readonly index: Index
  private checkpointUnderWay: Promise<void> | undefined

  constructor(random: Random) {
    this.random = random
    this.index = slowIndex(new MemoryDevice().index, random)
    this.metadata = new Metadata(this.index)
  }

  change(): void {
    const key = this.anyKey()
    if (this.random.oneIn(3)) {
      this.metadata.del(key)
      this.reference.delete(key)
    } else {
      const body = this.random.bytes(this.random.int(8))
      this.metadata.put(key, body)
      this.reference.set(key, body)
    }
  }

  get(): void {
    const key = this.anyKey()
    for (const body of [this.metadata.get(key), this.metadata.getCached(key)]) {
      assert.deepEqual(body && Uint8Array.from(body), this.reference.get(key))
    }
  }

  /** A scan shows what there was when it was asked for, whatever happens until it is over. */
  async scan(): Promise<void> {
    const prefix = this.random.pick(['D', 'I', 'X', direntGroup(this.random.int(4)), ''])
    const expected = [...this.reference]
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    const scan = this.metadata.scan(prefix)
    for (let i = this.random.int(4); i > 0; i--) this.change()
    const found = (await scan).map(([key, body]) => [key, Uint8Array.from(body)])
    assert.deepEqual(found, expected)
  }

  checkpoint(): void {
    this.checkpointUnderWay ??= this.checkpointOnce().finally(() => {
      this.checkpointUnderWay = undefined
    })
  }

  async settle(): Promise<void> {
    await this.checkpointUnderWay
  }

  private async checkpointOnce(): Promise<void> {
    await this.index.batch(this.metadata.capture())
    this.metadata.release()
  }

  private anyKey(): string {
    const ino = this.random.int(4)
    const name = this.random.pick(['a', 'b', '\xff', 'name', ''])
    return this.random.oneIn(4) ? inodeKey(ino) : direntKey(ino, name)
  }
}

test('metadata is what was put, while checkpoints move it under scans', RUN, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  for (let run = 0; run < 30; run++) {
    const overlay = new Overlay(random.fork())
    for (let step = 0; step < 150; step++) {
      overlay.change()
      overlay.get()
      if (random.oneIn(8)) overlay.checkpoint()
      if (random.oneIn(6)) await overlay.scan()
      if (random.oneIn(10)) await nextTick()
    }
    await overlay.settle()
    await overlay.scan()
  }
})

test('only one checkpoint captures at a time', RUN, () => {
  const metadata = new Metadata(new MemoryDevice().index)
  metadata.put('Ia', Buffer.from('a'))
  assert.equal(metadata.pendingCount, 1)
  metadata.capture()
  assert.equal(metadata.pendingCount, 0)
  assert.throws(() => metadata.capture(), /invariant/)
})

test('a value that rotted in the index is EIO and names its key', RUN, async () => {
  const { index } = new MemoryDevice()
  const metadata = new Metadata(index)
  metadata.put('Ia', Buffer.from('body'))
  const [operation] = metadata.capture()
  assert.ok(operation?.type === 'put')
  await index.batch([{ ...operation, value: operation.value.map((byte) => byte ^ 1) }])
  metadata.release()
  assert.throws(() => metadata.get('Ia'), isEioOfKey)
  await assert.rejects(metadata.scan('I'), isEioOfKey)
})

test('home writes are read until they are home, newest first', RUN, () => {
  const homeWrites = new HomeWrites()
  homeWrites.set(9, page(1))
  homeWrites.set(5, page(2))
  homeWrites.set(7, page(3))
  assert.deepEqual(
    homeWrites.capture().map(([block]) => block),
    [5, 7, 9],
  )
  assert.throws(() => homeWrites.capture(), /invariant/)
  homeWrites.set(5, page(4))
  assert.deepEqual([5, 7, 9].map((block) => homeWrites.get(block)?.[0]), [4, 3, 1]) // prettier-ignore
  homeWrites.drop(7)
  assert.equal(homeWrites.get(7), undefined)
  homeWrites.release()
  assert.deepEqual([5, 9].map((block) => homeWrites.get(block)?.[0]), [4, undefined]) // prettier-ignore
  assert.equal(homeWrites.pendingCount, 1)
  homeWrites.drop(5)
  assert.deepEqual(homeWrites.capture(), [])
})
