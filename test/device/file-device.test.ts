import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { FileDevice } from '../../src/device/file-device.ts'
import { assertBytes, deviceContract, isFsError, patternOf, readBack } from './contract.ts'
import {
  closeAfter,
  newVolume,
  openVolume,
  OPTIONS,
  RING_BLOCKS,
  temporaryFolder,
} from './volumes.ts'

deviceContract('FileDevice', async (context) =>
  closeAfter(context, await FileDevice.create(join(temporaryFolder(context), 'volume'), OPTIONS)),
)

describe('FileDevice', () => {
  test('open() finds all that was stored', async (context) => {
    const path = temporaryFolder(context)
    const device = await newVolume(path)
    device.ring.write(1, patternOf(1))
    await device.ring.writeDurable(2, patternOf(2))
    device.blocks.grow(20)
    const { blockCount } = device.blocks
    await device.blocks.writeDirect(19, patternOf(3))
    await device.index.batch([{ type: 'put', key: '\xff\x00', value: Buffer.from('value') }])
    await device.close()

    const again = closeAfter(context, await openVolume(path))
    assertBytes(again.readSuperblock(0), patternOf(100))
    assertBytes(readBack(again.ring, 1), patternOf(1))
    assertBytes(readBack(again.ring, 2), patternOf(2))
    assert.equal(again.blocks.blockCount, blockCount)
    assertBytes(readBack(again.blocks, 19), patternOf(3))
    assertBytes(again.index.get('\xff\x00'), Buffer.from('value'))
  })

  test('create() writes the ring for real and takes the ballast', async (context) => {
    const path = temporaryFolder(context)
    closeAfter(context, await newVolume(path))
    const { size, blocks } = statSync(join(path, 'blocks'))
    assert.equal(size, (16 + RING_BLOCKS + 1) * BLOCK_SIZE)
    assert.ok(blocks * 512 >= size)
    assert.equal(statSync(join(path, 'ballast')).size, OPTIONS.ballastBytes)
  })

  test('open() hands over the copies of the superblock, whatever they hold', async (context) => {
    const path = temporaryFolder(context)
    await (await newVolume(path)).close()
    const damaged = new Error('both are damaged')
    const opening = FileDevice.open(path, (copies) => {
      assert.equal(copies.length, 2)
      assertBytes(copies[1], patternOf(101))
      throw damaged
    })
    await assert.rejects(opening, damaged)
    await (await openVolume(path)).close()
  })

  test('open() refuses a volume that is in use, and leaves its lock alone', async (context) => {
    const path = temporaryFolder(context)
    closeAfter(context, await newVolume(path))
    await assert.rejects(openVolume(path), isFsError('EBUSY'))
    await assert.rejects(FileDevice.create(path, OPTIONS), isFsError('EEXIST'))
    // The refusal above must not have given up the process's lock.
    assert.match(inChild(path, ''), /EBUSY .*volume ".*" is in use by another process/)
  })

  test('open() makes nothing where there is no volume', async (context) => {
    const path = temporaryFolder(context)
    await assert.rejects(openVolume(path), isFsError('ENOENT'))
    await assert.rejects(openVolume(join(path, 'none')), isFsError('ENOENT'))
    assert.deepEqual(readdirSync(path), [])
    writeFileSync(join(path, 'blocks'), Buffer.alloc(10))
    mkdirSync(join(path, 'index'))
    await assert.rejects(openVolume(path), /EINVAL|never finished/)
    assert.deepEqual(readdirSync(join(path, 'index')), [])
  })

  test('open() tells an unfinished volume from one with a damaged index', async (context) => {
    const path = temporaryFolder(context)
    await (await newVolume(path)).close()
    for (const name of readdirSync(join(path, 'index'))) {
      if (name.startsWith('MANIFEST')) truncateSync(join(path, 'index', name))
    }
    await assert.rejects(openVolume(path), isFsError('EIO'))
    writeFileSync(join(path, 'blocks'), '')
    await assert.rejects(openVolume(path), /never finished; make it again/)
  })

  test('open() refuses a block file that is too short', async (context) => {
    const path = temporaryFolder(context)
    await (await newVolume(path)).close()
    truncateSync(join(path, 'blocks'), 20 * BLOCK_SIZE)
    await assert.rejects(openVolume(path), isFsError('EIO'))
  })

  test('open() for reading refuses every write', async (context) => {
    const path = temporaryFolder(context)
    await (await newVolume(path)).close()
    const device = closeAfter(context, await openVolume(path, true))
    assertBytes(readBack(device.ring, 0), new Uint8Array(BLOCK_SIZE))
    assert.throws(() => {
      device.ring.write(0, patternOf(1))
    }, isFsError('EROFS'))
    assert.throws(() => {
      device.blocks.grow(100)
    }, isFsError('EROFS'))
    await assert.rejects(device.ring.writeDurable(0, patternOf(1)), isFsError('EROFS'))
    await assert.rejects(device.index.batch([]), isFsError('EROFS'))
    await assert.rejects(device.writeSuperblock(0, patternOf(1)), isFsError('EROFS'))
  })

  test('writes of memory that is not aligned go through the cache', async (context) => {
    const path = temporaryFolder(context)
    const device = closeAfter(context, await newVolume(path))
    const unaligned = Buffer.alloc(BLOCK_SIZE + 1).subarray(1)
    unaligned.set(patternOf(1))
    await device.ring.writeDurable(0, unaligned)
    assertBytes(readBack(device.ring, 0), patternOf(1))
    device.blocks.grow(2)
    await device.blocks.writeDirect(1, unaligned)
    assertBytes(readBack(device.blocks, 1), patternOf(1))
  })

  test('close() waits for what is under way', async (context) => {
    const path = temporaryFolder(context)
    const device = await newVolume(path)
    const writing = [1, 2, 3].map((n) => device.ring.writeDurable(n, patternOf(n)))
    await device.close()
    await Promise.all(writing)
    const again = closeAfter(context, await openVolume(path))
    for (const n of [1, 2, 3]) assertBytes(readBack(again.ring, n), patternOf(n))
  })

  test('a killed process loses no write that returned, nor the lock', async (context) => {
    const path = temporaryFolder(context)
    await (await newVolume(path)).close()
    const printed = inChild(
      path,
      `device.ring.write(5, Buffer.alloc(4096, 1))
       device.blocks.grow(10)
       device.blocks.write(9, Buffer.alloc(4096, 2))
       await device.index.batch([{ type: 'put', key: 'a', value: Buffer.from('1') }])
       console.log('written')
       process.kill(process.pid, 'SIGKILL')`,
    )
    assert.equal(printed, 'written\n')
    const device = closeAfter(context, await openVolume(path))
    assertBytes(readBack(device.ring, 5), Buffer.alloc(BLOCK_SIZE, 1))
    assertBytes(readBack(device.blocks, 9), Buffer.alloc(BLOCK_SIZE, 2))
    assertBytes(device.index.get('a'), Buffer.from('1'))
  })

  test('create() makes an unfinished volume again', async (context) => {
    const path = temporaryFolder(context)
    const unfinished = await FileDevice.create(path, OPTIONS)
    await unfinished.index.batch([{ type: 'put', key: 'left', value: Buffer.from('over') }])
    unfinished.ring.write(0, patternOf(1))
    await assert.rejects(FileDevice.create(path, OPTIONS), isFsError('EBUSY'))
    await unfinished.close()

    const again = await newVolume(path)
    assert.equal(again.index.get('left'), undefined)
    assertBytes(readBack(again.ring, 0), new Uint8Array(BLOCK_SIZE))
    await again.close()
    await assert.rejects(FileDevice.create(path, OPTIONS), isFsError('EEXIST'))
  })

  test('create() makes a volume again whose database was cut in the middle', async (context) => {
    const path = temporaryFolder(context)
    await (await FileDevice.create(path, OPTIONS)).close()
    truncateSync(join(path, 'index', 'CURRENT'), 0)
    truncateSync(join(path, 'blocks'), 0)
    await (await newVolume(path)).close()
    await (await openVolume(path)).close()
  })

  test('create() leaves a folder alone that holds something else', async (context) => {
    const path = temporaryFolder(context)
    mkdirSync(join(path, 'index'))
    await assert.rejects(FileDevice.create(path, OPTIONS), isFsError('ENOTEMPTY'))
    writeFileSync(join(path, 'blocks'), '')
    writeFileSync(join(path, 'letter'), 'text')
    await assert.rejects(FileDevice.create(path, OPTIONS), isFsError('ENOTEMPTY'))
    assert.deepEqual(readdirSync(path).toSorted(), ['blocks', 'index', 'letter'])
  })
})

/** Runs statements in another process, with the volume open as `device`; answers what it prints. */
function inChild(path: string, statements: string): string {
  const program = `
    const { FileDevice } = await import(process.argv[1])
    const layout = { ringStart: 16, ringBlocks: ${RING_BLOCKS}, dataStart: ${16 + RING_BLOCKS} }
    try {
      const device = await FileDevice.open(process.argv[2], () => layout)
      ${statements}
    } catch (error) {
      console.log(error.code, error.message)
    }`
  const module = new URL('../../src/device/file-device.js', import.meta.url).href
  const options = ['--input-type=module', '--eval', program, module, path]
  return spawnSync(process.execPath, options, { encoding: 'utf8' }).stdout
}
