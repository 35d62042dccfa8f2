import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { ExtentMaps } from '../../src/store/extent-maps.ts'
import { LEAF_BLOCKS } from '../../src/store/leaf.ts'
import { Metadata } from '../../src/store/metadata.ts'
import { Random, testSeed } from '../support/random.ts'
import { RUN } from './arbitraries.ts'

type Reference = Map<number, readonly [block: number, checksum: number]>

class Maps {
  readonly random: Random
  readonly index = new MemoryDevice().index
  readonly reference = new Map<string, Reference>()
  metadata = new Metadata(this.index)
  maps = new ExtentMaps(this.metadata)

  constructor(random: Random) {
    this.random = random
  }

  set(): void {
    const [ino, generation] = this.anyMap()
    const fileBlock = this.anyFileBlock()
    const block = this.random.oneIn(3) ? 0 : 1 + this.random.int(1000)
    const checksum = block === 0 ? 0 : this.random.next()
    const reference = this.referenceOf(ino, generation)
    const old = this.maps.get(ino, generation).set(fileBlock, block, checksum)
    assert.equal(old, reference.get(fileBlock)?.[0] ?? 0)
    if (block === 0) reference.delete(fileBlock)
    else reference.set(fileBlock, [block, checksum])
  }

  drop(): void {
    const [ino, generation] = this.anyMap()
    const fileBlock = this.anyFileBlock()
    this.maps.get(ino, generation).dropLeaf(fileBlock)
    const leafIndex = Math.floor(fileBlock / LEAF_BLOCKS)
    const reference = this.referenceOf(ino, generation)
    for (const at of reference.keys()) {
      if (Math.floor(at / LEAF_BLOCKS) === leafIndex) reference.delete(at)
    }
  }

  async checkpoint(between: () => void): Promise<void> {
    const operations = [...this.metadata.capture(), ...this.maps.capture()]
    between()
    await this.index.batch(operations)
    this.metadata.release()
    this.maps.release()
  }

  /** Everything that was captured, as if the cache were empty. */
  async reload(): Promise<void> {
    await this.checkpoint(() => undefined)
    assert.equal(this.maps.dirtyCount, 0)
    this.metadata = new Metadata(this.index)
    this.maps = new ExtentMaps(this.metadata)
  }

  async compare(): Promise<void> {
    for (const [key, reference] of this.reference) {
      const [ino = 0, generation = 0] = key.split(' ').map(Number)
      const map = this.maps.get(ino, generation)
      const leaves = new Set([...reference.keys()].map((at) => Math.floor(at / LEAF_BLOCKS)))
      const expected = [...leaves].toSorted((a, b) => a - b)
      assert.deepEqual(await map.existingLeaves(0), expected)
      const from = this.random.int(5)
      assert.deepEqual(
        await map.existingLeaves(from),
        expected.filter((leafIndex) => leafIndex >= from),
      )
      for (const [fileBlock, [block, checksum]] of reference) {
        assert.equal(map.block(fileBlock), block)
        const leaf = map.leaf(Math.floor(fileBlock / LEAF_BLOCKS))
        assert.equal(leaf?.checksum(fileBlock % LEAF_BLOCKS), checksum)
      }
      const other = this.anyFileBlock()
      assert.equal(map.block(other), reference.get(other)?.[0] ?? 0)
    }
  }

  private anyMap(): [ino: number, generation: number] {
    return [1 + this.random.int(3), this.random.int(2)]
  }

  private anyFileBlock(): number {
    const far = this.random.oneIn(5) ? 0xffff_ff00 : 0
    return far + this.random.int(250)
  }

  private referenceOf(ino: number, generation: number): Reference {
    const key = `${ino} ${generation}`
    const found = this.reference.get(key) ?? new Map<number, readonly [number, number]>()
    this.reference.set(key, found)
    return found
  }
}

test('extent maps are what was set, over checkpoints and reloads', RUN, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  for (let run = 0; run < 20; run++) {
    const maps = new Maps(random.fork())
    for (let step = 0; step < 400; step++) {
      if (random.oneIn(40)) maps.drop()
      else maps.set()
      if (random.oneIn(60)) {
        await maps.checkpoint(() => {
          for (let i = random.int(20); i > 0; i--) maps.set()
        })
      }
      if (random.oneIn(150)) await maps.reload()
      if (random.oneIn(50)) await maps.compare()
    }
    await maps.reload()
    await maps.compare()
  }
})

test('unchanged leaves are dropped when there are many, changed ones are not', RUN, async () => {
  const { index } = new MemoryDevice()
  const metadata = new Metadata(index)
  const maps = new ExtentMaps(metadata)
  const LEAVES = 70_000
  for (let i = 0; i < LEAVES; i++) maps.get(1, 0).set(i * LEAF_BLOCKS, i + 1, i)
  const operations = maps.capture()
  maps.get(1, 0).set(0, 77, 77)
  await index.batch(operations)
  maps.release()
  assert.equal(maps.get(1, 0).leaves.size, 1)
  assert.equal(maps.get(1, 0).block(0), 77)
  assert.equal(maps.get(1, 0).block((LEAVES - 1) * LEAF_BLOCKS), LEAVES)
})

test(
  'emptied leaves go with the checkpoint, unless they are mapped again meanwhile',
  RUN,
  async () => {
    const { index } = new MemoryDevice()
    const maps = new ExtentMaps(new Metadata(index))
    const checkpoint = async (meanwhile = (): unknown => undefined): Promise<void> => {
      const operations = maps.capture()
      meanwhile()
      await index.batch(operations)
      maps.release()
    }
    const map = maps.get(1, 0)
    for (let i = 0; i < 4; i++) map.set(i * LEAF_BLOCKS, i + 1, i)
    await checkpoint()
    for (let i = 0; i < 3; i++) map.set(i * LEAF_BLOCKS, 0, 0)
    await checkpoint(() => map.set(LEAF_BLOCKS, 9, 9))
    assert.deepEqual([...map.leaves.keys()], [1, 3])
    await checkpoint()
    const reloaded = new ExtentMaps(new Metadata(index)).get(1, 0)
    const blocks = [0, 1, 2, 3].map((i) => reloaded.block(i * LEAF_BLOCKS))
    assert.deepEqual(blocks, [0, 9, 0, 4])
  },
)

test('forget() drops the maps of one file', RUN, () => {
  const metadata = new Metadata(new MemoryDevice().index)
  const maps = new ExtentMaps(metadata)
  maps.get(1, 0).set(0, 5, 5)
  maps.get(2, 0).set(0, 6, 6)
  maps.get(1, 0).set(0, 0, 0)
  maps.forget(1)
  assert.equal(maps.get(1, 0).leaves.size, 0)
  assert.equal(maps.get(2, 0).block(0), 6)
  assert.deepEqual(
    maps.capture().map(({ type }) => type),
    ['del', 'put'],
  )
})
