/** Volumes on hosts that are full, small, or able to do little. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { atEnd } from '../support/devices/at-end.ts'
import { assertBytes, isFsError, patternOf, readBack } from './contract.ts'
import { closeAfter, newVolume, openVolume, OPTIONS, temporaryFolder } from './volumes.ts'

const MIB = 1024 * 1024

describe('FileDevice on a small host', () => {
  test('everything but growing works without direct I/O and fallocate', async (context) => {
    const path = mountAt(context, ['-t', 'ramfs', 'ramfs'])
    if (path === undefined) return
    const device = closeAfter(context, await newVolume(path))
    await device.ring.writeDurable(1, patternOf(1, 2))
    assertBytes(readBack(device.ring, 1, 2), patternOf(1, 2))
    assertBytes(device.readSuperblock(1), patternOf(101))
    await device.index.batch([{ type: 'put', key: 'a', value: Buffer.from('1') }])
    // This host tells of no free space.
    assert.throws(() => {
      device.blocks.grow(10)
    }, isFsError('ENOSPC'))
  })

  test('grow() throws ENOSPC and changes nothing', async (context) => {
    const path = smallHost(context)
    if (path === undefined) return
    const device = await newVolume(path)
    atEnd(context, () => device.close())
    const { blockCount } = device.blocks
    assert.throws(() => {
      device.blocks.grow(1_000_000)
    }, isFsError('ENOSPC'))
    assert.equal(device.blocks.blockCount, blockCount)
    const freeBytes = device.blocks.hostFreeBytes()
    assert.ok(freeBytes > 0 && freeBytes < 16 * MIB)
    device.blocks.grow(blockCount + Math.floor(freeBytes / BLOCK_SIZE))
    assert.throws(() => {
      device.blocks.grow(device.blocks.blockCount + 1)
    }, isFsError('ENOSPC'))
    await device.blocks.writeDirect(device.blocks.blockCount - 1, patternOf(1))
    await device.index.batch([{ type: 'put', key: 'a', value: new Uint8Array(100_000) }])
  })

  test('index.batch() has the ballast when others fill the host', async (context) => {
    const path = smallHost(context)
    if (path === undefined) return
    const device = await newVolume(path)
    atEnd(context, () => device.close())
    const filler = join(path, 'filler')
    fill(filler)
    await device.index.batch([{ type: 'put', key: 'a', value: new Uint8Array(500_000) }])
    assert.equal(statSync(join(path, 'ballast')).blocks, 0)
    assert.throws(() => {
      device.blocks.grow(device.blocks.blockCount + 1)
    }, isFsError('ENOSPC'))
    rmSync(filler)
    device.blocks.grow(device.blocks.blockCount + 1)
    assert.equal(statSync(join(path, 'ballast')).blocks * 512, OPTIONS.ballastBytes)
    assert.equal(device.index.get('a')?.length, 500_000)
  })

  test('open() has the ballast when others fill the host', async (context) => {
    const path = smallHost(context)
    if (path === undefined) return
    const first = await newVolume(path)
    await first.index.batch([{ type: 'put', key: 'a', value: new Uint8Array(500_000) }])
    await first.close()
    fill(join(path, 'filler'))
    const device = closeAfter(context, await openVolume(path))
    assert.equal(device.index.get('a')?.length, 500_000)
  })
})

/** A tmpfs of 16 MiB, or undefined where one cannot be mounted. */
function smallHost(context: TestContext): string | undefined {
  return mountAt(context, ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs'])
}

function mountAt(context: TestContext, options: readonly string[]): string | undefined {
  const path = temporaryFolder(context)
  try {
    execFileSync('mount', [...options, path], { stdio: 'ignore' })
  } catch {
    context.skip('needs the right to mount')
    return undefined
  }
  atEnd(context, () => {
    execFileSync('umount', ['--lazy', path])
  })
  return path
}

function fill(path: string): void {
  try {
    for (;;) writeFileSync(path, Buffer.alloc(64 * 1024), { flag: 'a' })
  } catch (error) {
    assert.match(String(error), /ENOSPC/)
  }
}
