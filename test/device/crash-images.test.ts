/**
 * Goal: crash images are neither too kind nor too cruel: what was made durable is there exactly,
 * what was not may be any mixture of its sectors, and nothing else appears.
 * Method: random runs of which a model knows, for each block, which contents a crash may leave.
 */
import assert from 'node:assert/strict'
import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { BLOCK_SIZE, type Device } from '../../src/device/device.ts'
import { Random, testSeed } from '../support/random.ts'
import { allCrashImages, crashImages, type CrashImage } from '../support/devices/crash-images.ts'
import { RecordingDevice } from '../support/devices/recording-device.ts'
import { assertBytes, patternOf, readBack } from './contract.ts'

const SECTOR_SIZE = 512
const BLOCKS_USED = 6

function imagesNow(device: RecordingDevice, random = new Random(1)): CrashImage[] {
  return [...crashImages(device.log, device.log.events.length, random, { randomCount: 30 })]
}

function isBlock(image: CrashImage, block: number, content: Uint8Array): boolean {
  return Buffer.compare(readBack(image.device.ring, block), content) === 0
}

/** Whether nothing of data block 1 is there. */
function isLost({ device: { blocks } }: CrashImage): boolean {
  return readBack(blocks, 1).every((byte) => byte === 0)
}

describe('crashImages()', () => {
  test('an unflushed write is lost, kept, or torn; a flushed one is there', async () => {
    const device = new RecordingDevice()
    device.ring.write(0, patternOf(1))
    const unflushed = imagesNow(device)
    assert.ok(unflushed.some((image) => isBlock(image, 0, patternOf(1))))
    assert.ok(unflushed.some((image) => isBlock(image, 0, new Uint8Array(BLOCK_SIZE))))
    assert.ok(unflushed.some((image) => isTorn(readBack(image.device.ring, 0))))
    await device.blocks.flush()
    assert.ok(imagesNow(device).some((image) => !isBlock(image, 0, patternOf(1))))
    await device.ring.flush()
    assert.ok(imagesNow(device).every((image) => isBlock(image, 0, patternOf(1))))
  })

  test('writeDurable() covers itself only, and is torn while under way', async () => {
    const device = new RecordingDevice()
    device.ring.write(0, patternOf(1))
    const writing = device.ring.writeDurable(1, patternOf(2))
    assert.ok(imagesNow(device).some((image) => isTorn(readBack(image.device.ring, 1))))
    await writing
    const images = imagesNow(device)
    assert.ok(images.every((image) => isBlock(image, 1, patternOf(2))))
    assert.ok(images.some((image) => !isBlock(image, 0, patternOf(1))))
  })

  test('a flush covers what was written before it was called', async () => {
    const device = new RecordingDevice()
    device.ring.write(0, patternOf(1))
    const flushing = device.ring.flush()
    device.ring.write(1, patternOf(2))
    device.ring.write(0, patternOf(3))
    await flushing
    const images = imagesNow(device)
    assert.ok(images.some((image) => isBlock(image, 0, patternOf(1))))
    assert.ok(images.some((image) => isBlock(image, 0, patternOf(3))))
    assert.ok(images.every((image) => !isBlock(image, 0, new Uint8Array(BLOCK_SIZE))))
    assert.ok(images.some((image) => isBlock(image, 1, new Uint8Array(BLOCK_SIZE))))
  })

  test('what a flush replaced does not come back', async () => {
    const device = new RecordingDevice()
    device.ring.write(0, patternOf(1))
    device.ring.write(0, patternOf(2))
    const flushing = device.ring.flush()
    device.ring.write(0, patternOf(3))
    await flushing
    const images = imagesNow(device)
    assert.ok(images.every((image) => !isBlock(image, 0, patternOf(1))))
    await device.ring.writeDurable(0, patternOf(4))
    assert.ok(imagesNow(device).every((image) => isBlock(image, 0, patternOf(4))))
  })

  test('writeDirect() is durable after a flush that began after its end', async () => {
    const device = new RecordingDevice()
    device.blocks.grow(3)
    const writing = device.blocks.writeDirect(1, patternOf(1))
    await Promise.all([writing, device.blocks.flush()])
    assert.ok(imagesNow(device).some(isLost))
    await device.blocks.flush()
    assert.ok(!imagesNow(device).some(isLost))
  })

  test('an index batch under way is there or not, as a whole', async () => {
    const device = new RecordingDevice()
    const batch = device.index.batch([
      { type: 'put', key: 'a', value: patternOf(1) },
      { type: 'put', key: 'b', value: patternOf(2) },
    ])
    const found = imagesNow(device).map(({ device: { index } }) => {
      assert.equal(index.get('a') === undefined, index.get('b') === undefined)
      return index.get('a') !== undefined
    })
    assert.ok(found.includes(true) && found.includes(false))
    await batch
    assert.ok(imagesNow(device).every((image) => image.device.index.get('a') !== undefined))
  })

  test('a killed process loses no write that returned, but a later power cut can', () => {
    const device = new RecordingDevice()
    device.ring.write(0, patternOf(1))
    const killed = imagesNow(device).filter((image) => image.name.includes('killed'))
    assert.equal(killed.length, 1)
    for (const image of killed) {
      assert.ok(isBlock(image, 0, patternOf(1)))
      const again = new RecordingDevice(image.state)
      assertBytes(readBack(again.ring, 0), patternOf(1))
      assert.ok(imagesNow(again).some((later) => !isBlock(later, 0, patternOf(1))))
    }
  })

  test('the same seed gives the same images', async () => {
    const log = (await randomRun(new Random(7))).device.log
    const contents = [1, 2].map(() =>
      [...allCrashImages(log, new Random(9))].map((image) => image.device.image()),
    )
    assert.deepEqual(contents[0], contents[1])
  })

  test('data that is changed while it is being written is a bug', async () => {
    const device = new RecordingDevice()
    const data = patternOf(1)
    const writing = device.ring.writeDurable(0, data)
    data.fill(0)
    await assert.rejects(writing, /Broken invariant/)
  })
})

test('allCrashImages() leaves durable data exact and the rest a mixture', async (context) => {
  const seed = testSeed()
  context.diagnostic(`seed ${seed}`)
  const random = new Random(seed)
  for (let round = 0; round < 30; round++) {
    const { device, expectations } = await randomRun(random.fork())
    let seen = 0
    for (const image of allCrashImages(device.log, random)) {
      const eventCount = Number.parseInt(image.name, 10)
      checkImage(image, expectationAt(expectations, eventCount))
      seen += 1
      if (seen % 40 === 0) await checkSecondCrash(image, random.fork())
    }
    assert.ok(seen > device.log.events.length)
  }
})

function isTorn(block: Uint8Array): boolean {
  const zeros = new Uint8Array(SECTOR_SIZE)
  const sectors = sectorsOf(block).map((sector) => Buffer.compare(sector, zeros) === 0)
  return sectors.includes(true) && sectors.includes(false)
}

function sectorsOf(block: Uint8Array): Uint8Array[] {
  const count = block.length / SECTOR_SIZE
  return Array.from({ length: count }, (_, n) =>
    block.subarray(n * SECTOR_SIZE, (n + 1) * SECTOR_SIZE),
  )
}

/** For each part and block, the contents a crash may leave; one alone must be there exactly. */
type Expectation = ReadonlyMap<string, readonly Uint8Array[]>

interface Expected {
  readonly eventCount: number
  readonly blocks: Expectation
}

/** The model: written apart from the simulator, call by call, from the contract. */
class Model {
  readonly expectations: Expected[] = []
  readonly #device: RecordingDevice
  #blocks = new Map<string, Uint8Array[]>()

  constructor(device: RecordingDevice) {
    this.#device = device
    this.note()
  }

  note(): void {
    const eventCount = this.#device.log.events.length
    this.expectations.push({ eventCount, blocks: new Map(this.#blocks) })
  }

  mayBe(part: string, block: number, data: Uint8Array): void {
    const key = `${part} ${block}`
    const before = this.#blocks.get(key) ?? [new Uint8Array(BLOCK_SIZE)]
    this.#blocks.set(key, [...before, data])
    this.note()
  }

  mustBe(part: string, block: number, data: Uint8Array): void {
    this.#blocks.set(`${part} ${block}`, [data])
    this.note()
  }

  /** Requires: nothing is under way. */
  mustBeNewest(part: string): void {
    for (const [key, contents] of this.#blocks) {
      if (key.startsWith(part)) this.#blocks.set(key, contents.slice(-1))
    }
    this.note()
  }
}

async function randomRun(
  random: Random,
): Promise<{ device: RecordingDevice; expectations: readonly Expected[] }> {
  const device = new RecordingDevice(undefined, { random: random.fork() })
  device.blocks.grow(BLOCKS_USED + 1)
  const model = new Model(device)
  for (let step = 0; step < 25; step++) await randomStep(device, model, random)
  return { device, expectations: model.expectations }
}

async function randomStep(device: Device, model: Model, random: Random): Promise<void> {
  const part = random.pick(['ring', 'blocks'] as const)
  const block = 1 + random.int(BLOCKS_USED)
  const data = patternOf(random.next())
  const choice = random.int(10)
  if (choice < 5) {
    device[part].write(block, data)
    model.mayBe(part, block, data)
  } else if (choice < 6) {
    const flushing = device[part].flush()
    await flushing
    model.mustBeNewest(part)
  } else if (choice < 8 && part === 'ring') {
    const writing = device.ring.writeDurable(block, data)
    model.mayBe('ring', block, data)
    await writing
    model.mustBe('ring', block, data)
  } else {
    const writing = device.blocks.writeDirect(block, data)
    model.mayBe('blocks', block, data)
    await writing
    await nextTick()
  }
}

/** What the model knew last when a number of events had happened. */
function expectationAt(expectations: readonly Expected[], eventCount: number): Expectation {
  const known = expectations.findLast((expected) => expected.eventCount <= eventCount)
  assert.ok(known !== undefined || eventCount === 0)
  return known?.blocks ?? new Map()
}

function checkImage({ name, device }: CrashImage, expectation: Expectation): void {
  for (let block = 1; block <= BLOCKS_USED; block++) {
    checkBlock(
      `${name}, ring ${block}`,
      readBack(device.ring, block),
      expectation.get(`ring ${block}`),
    )
    if (block >= device.blocks.blockCount) continue
    const content = readBack(device.blocks, block)
    checkBlock(`${name}, blocks ${block}`, content, expectation.get(`blocks ${block}`))
  }
}

function checkBlock(
  name: string,
  content: Uint8Array,
  allowed: readonly Uint8Array[] = [new Uint8Array(BLOCK_SIZE)],
): void {
  for (const [n, sector] of sectorsOf(content).entries()) {
    const isAllowed = allowed.some((version) => {
      const other = version.subarray(n * SECTOR_SIZE, (n + 1) * SECTOR_SIZE)
      return Buffer.compare(sector, other) === 0
    })
    assert.ok(isAllowed, `${name}: sector ${n} holds what the contract allows`)
  }
}

/** What a crash left is durable after a flush, however often it crashes again. */
async function checkSecondCrash(image: CrashImage, random: Random): Promise<void> {
  const again = new RecordingDevice(image.state, { random })
  const found = readBack(again.ring, 1, BLOCKS_USED)
  assertBytes(found, readBack(image.device.ring, 1, BLOCKS_USED))
  await again.ring.flush()
  again.ring.write(BLOCKS_USED + 1, patternOf(1))
  for (const later of imagesNow(again, random)) {
    assertBytes(readBack(later.device.ring, 1, BLOCKS_USED), found)
  }
}
