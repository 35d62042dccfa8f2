/** What every device promises, as one suite: `device.ts` in examples. */
import { eachEntry } from '../../src/device/each-entry.ts'
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { allocateAligned } from '../../src/device/aligned-memory.ts'
import { BLOCK_SIZE, type Device, type Index, type IndexOp } from '../../src/device/device.ts'
import { FsError } from '../../src/errors.ts'
import { Random } from '../support/random.ts'

/** Makes a new device with a ring of at least 64 blocks, and releases it after the test. */
export type DeviceFactory = (context: TestContext) => Promise<Device>

export function deviceContract(name: string, factory: DeviceFactory): void {
  describe(`${name} keeps the contract of`, () => {
    ringContract(factory)
    blocksContract(factory)
    indexContract(factory)
    superblockContract(factory)
  })
}

/** Aligned blocks that tell themselves apart. */
export function patternOf(seed: number, blockCount = 1): Uint8Array {
  const data = allocateAligned(blockCount * BLOCK_SIZE)
  data.set(new Random(seed).bytes(data.length))
  return data
}

export function readBack(
  part: Pick<Device['ring'], 'read'>,
  block: number,
  blockCount = 1,
): Uint8Array {
  const target = new Uint8Array(blockCount * BLOCK_SIZE)
  part.read(block, target)
  return target
}

export function isFsError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FsError && error.code === code
}

/** Compares bytes: the implementations answer with Buffer or Uint8Array. */
export function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(actual !== undefined, 'there are bytes')
  assert.equal(Buffer.compare(actual, expected), 0, 'the bytes are equal')
}

function ringContract(factory: DeviceFactory): void {
  test('ring: it is zero at first', async (context) => {
    const { ring } = await factory(context)
    assert.ok(ring.blockCount >= 64)
    assertBytes(readBack(ring, 0, ring.blockCount), new Uint8Array(ring.blockCount * BLOCK_SIZE))
  })

  test('ring: write() is read back, and again after it was overwritten', async (context) => {
    const { ring } = await factory(context)
    ring.write(3, patternOf(1, 2))
    ring.write(4, patternOf(2))
    assertBytes(readBack(ring, 3), patternOf(1, 2).subarray(0, BLOCK_SIZE))
    assertBytes(readBack(ring, 4), patternOf(2))
    assertBytes(readBack(ring, 5), new Uint8Array(BLOCK_SIZE))
  })

  test('ring: writeDurable() is read back, at the last block too', async (context) => {
    const { ring } = await factory(context)
    const last = ring.blockCount - 1
    ring.write(last, patternOf(1))
    await ring.writeDurable(last - 2, patternOf(2, 3))
    assertBytes(readBack(ring, last - 2, 3), patternOf(2, 3))
    await ring.flush()
    assertBytes(readBack(ring, last - 2, 3), patternOf(2, 3))
  })

  test('ring: what is not inside it or not whole blocks is refused', async (context) => {
    const { ring } = await factory(context)
    const end = ring.blockCount
    assert.throws(() => readBack(ring, end), isFsError('EIO'))
    assert.throws(() => readBack(ring, end - 1, 2), isFsError('EIO'))
    assert.throws(() => readBack(ring, -1), isFsError('EIO'))
    assert.throws(() => ring.write(end, patternOf(1)), /Broken invariant/)
    await assert.rejects(ring.writeDurable(end - 1, patternOf(1, 2)), /Broken invariant/)
    assert.throws(() => ring.write(0, new Uint8Array(100)), /Broken invariant/)
    assert.throws(() => ring.read(0, new Uint8Array(0)), /Broken invariant/)
    await assert.rejects(ring.writeDurable(0, new Uint8Array(512)), /Broken invariant/)
  })
}

function blocksContract(factory: DeviceFactory): void {
  test('blocks: grow() makes blocks exist and never fewer', async (context) => {
    const { blocks } = await factory(context)
    const before = blocks.blockCount
    assert.ok(before >= 1)
    blocks.grow(before + 10)
    const after = blocks.blockCount
    assert.ok(after >= before + 10)
    assertBytes(readBack(blocks, after - 1), new Uint8Array(BLOCK_SIZE))
    blocks.grow(1)
    assert.equal(blocks.blockCount, after)
  })

  test('blocks: each way of writing is read back in each way', async (context) => {
    const { blocks } = await factory(context)
    blocks.grow(40)
    blocks.write(1, patternOf(1, 3))
    await blocks.writeDirect(4, patternOf(2, 8))
    await Promise.all([1, 2, 3].map((n) => blocks.writeDirect(10 + n * 2, patternOf(n, 2))))
    blocks.write(5, patternOf(3))
    await blocks.flush()
    assertBytes(readBack(blocks, 1, 3), patternOf(1, 3))
    assertBytes(readBack(blocks, 6, 6), patternOf(2, 8).subarray(2 * BLOCK_SIZE))
    const target = allocateAligned(BLOCK_SIZE)
    await blocks.readAsync(5, target)
    assertBytes(target, patternOf(3))
    for (const n of [1, 2, 3]) assertBytes(readBack(blocks, 10 + n * 2, 2), patternOf(n, 2))
  })

  test('blocks: block 0 and what is beyond the end are refused', async (context) => {
    const { blocks } = await factory(context)
    blocks.grow(4)
    const end = blocks.blockCount
    assert.throws(() => readBack(blocks, 0), isFsError('EIO'))
    assert.throws(() => readBack(blocks, end), isFsError('EIO'))
    await assert.rejects(
      blocks.readAsync(end - 1, new Uint8Array(2 * BLOCK_SIZE)),
      isFsError('EIO'),
    )
    assert.throws(() => blocks.write(0, patternOf(1)), /Broken invariant/)
    assert.throws(() => blocks.write(end, patternOf(1)), /Broken invariant/)
    await assert.rejects(blocks.writeDirect(end, patternOf(1)), /Broken invariant/)
    await assert.rejects(blocks.writeDirect(1, new Uint8Array(1000)), /Broken invariant/)
  })

  test('blocks: hostFreeBytes() is a number of bytes', async (context) => {
    const { blocks } = await factory(context)
    assert.ok(Number.isSafeInteger(blocks.hostFreeBytes()))
    assert.ok(blocks.hostFreeBytes() >= 0)
  })
}

function put(key: string, value: string): IndexOp {
  return { type: 'put', key, value: Buffer.from(value) }
}

async function keysOf(index: Index, from: string, to: string): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of eachEntry(index.pages(from, to))) keys.push(key)
  return keys
}

function indexContract(factory: DeviceFactory): void {
  test('index: a batch is read back, whole', async (context) => {
    const { index } = await factory(context)
    await index.batch([put('a', '1'), put('b', '2'), put('c', '')])
    await index.batch([put('a', '3'), { type: 'del', key: 'b' }, { type: 'del', key: 'none' }])
    assertBytes(index.get('a'), Buffer.from('3'))
    assert.equal(index.get('b'), undefined)
    assertBytes(index.get('c'), new Uint8Array(0))
    await index.batch([{ type: 'del', key: 'a' }, put('a', '4'), put('c', '5'), put('c', '6')])
    assertBytes(index.get('a'), Buffer.from('4'))
    assertBytes(index.get('c'), Buffer.from('6'))
    await index.batch([])
  })

  test('index: an earlier answer is not changed by a later batch', async (context) => {
    const { index } = await factory(context)
    const value = Buffer.from('old')
    await index.batch([{ type: 'put', key: 'k', value }])
    value.fill(0)
    const answer = index.get('k')
    await index.batch([put('k', 'new')])
    assertBytes(answer, Buffer.from('old'))
  })

  test('index: pages() goes by bytes, and ends before its end', async (context) => {
    const { index } = await factory(context)
    const keys = [
      '\x00',
      '\x00\x00',
      '\x01',
      'a',
      'a\x00',
      'b',
      '\x7f',
      '\x80',
      '\xc3\xa9',
      '\xff',
      '\xff\xff',
    ]
    await index.batch(new Random(1).shuffle(keys).map((key) => put(key, key)))
    assert.deepEqual(await keysOf(index, '\x00', '\xff\xff\xff'), keys)
    assert.deepEqual(await keysOf(index, 'a', 'b'), ['a', 'a\x00'])
    assert.deepEqual(await keysOf(index, '\x80', '\xff'), ['\x80', '\xc3\xa9'])
    assert.deepEqual(await keysOf(index, 'a', 'a'), [])
    assert.deepEqual(await keysOf(index, 'b', 'a'), [])
    assert.deepEqual(await keysOf(index, 'c', 'd'), [])
  })

  test('index: pages() shows the index as of the call', async (context) => {
    const { index } = await factory(context)
    await index.batch([put('a', '1'), put('b', '1')])
    const entries = eachEntry(index.pages('a', 'z'))
    await index.batch([put('a', '2'), put('c', '2'), { type: 'del', key: 'b' }])
    const seen: string[] = []
    for await (const [key, value] of entries) seen.push(`${key}${Buffer.from(value).toString()}`)
    assert.deepEqual(seen, ['a1', 'b1'])
    assert.deepEqual(await keysOf(index, 'a', 'z'), ['a', 'c'])
  })

  test('index: pages() can be left early, and crosses its inner batches', async (context) => {
    const { index } = await factory(context)
    const keys = Array.from({ length: 5000 }, (_, n) => `k${String(n).padStart(5, '0')}`)
    await index.batch(keys.map((key) => put(key, key.repeat(20))))
    assert.deepEqual(await keysOf(index, 'k', 'l'), keys)
    for await (const [key] of eachEntry(index.pages('k', 'l'))) {
      assert.equal(key, keys[0])
      break
    }
  })

  test('index: a second batch under way is a bug', async (context) => {
    const { index } = await factory(context)
    const first = index.batch([put('a', '1')])
    await assert.rejects(index.batch([put('b', '1')]), /Broken invariant/)
    await first
    await index.batch([put('c', '1')])
    assert.deepEqual(await keysOf(index, 'a', 'z'), ['a', 'c'])
  })
}

function superblockContract(factory: DeviceFactory): void {
  test('superblock: the copies are apart', async (context) => {
    const device = await factory(context)
    await device.writeSuperblock(1, patternOf(1))
    assertBytes(device.readSuperblock(0), new Uint8Array(BLOCK_SIZE))
    assertBytes(device.readSuperblock(1), patternOf(1))
    await device.writeSuperblock(0, patternOf(2))
    assertBytes(device.readSuperblock(0), patternOf(2))
    assertBytes(device.readSuperblock(1), patternOf(1))
    assertBytes(readBack(device.ring, 0), new Uint8Array(BLOCK_SIZE))
    await assert.rejects(device.writeSuperblock(0, new Uint8Array(10)), /Broken invariant/)
  })
}
