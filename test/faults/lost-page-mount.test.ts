/**
 * Goal: recovery goes by what the disk holds. After a failed write the host's cache goes on showing
 * what never got there, and calls it clean.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { allocateAligned } from '../../src/device/aligned-memory.ts'
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { FileDevice } from '../../src/device/file-device.ts'
import { newLayout } from '../../src/device/layout.ts'
import {
  makeHostFilesystem,
  makeHostFolder,
  mountHost,
} from '../support/loop-disk/host-filesystem.ts'
import { LoopDisk } from '../support/loop-disk/loop-disk.ts'

const RING_BLOCKS = 256
const OPTIONS = { ringBlocks: RING_BLOCKS, ballastBytes: 0 }

function readBlock(device: FileDevice, block: number): Buffer {
  const target = Buffer.alloc(BLOCK_SIZE)
  device.ring.read(block, target)
  return target
}

test(
  'FileRing.read() does not show what never reached the disk',
  { timeout: 60_000 },
  async (context) => {
    const disk = await LoopDisk.start(context, { sizeBytes: 96 * 1024 * 1024 })
    await makeHostFilesystem('ext4', disk.device)
    const host = await makeHostFolder(context)
    await mountHost('ext4', disk.device, host)
    const volume = join(host, 'volume')
    const device = await FileDevice.create(volume, OPTIONS)
    const stored = allocateAligned(BLOCK_SIZE).fill('stored')
    await device.ring.writeDurable(3, stored)
    device.ring.write(5, stored)
    await device.ring.flush()
    await disk.fail({ kind: 'write', errno: 'EIO' })
    const lost = Buffer.alloc(BLOCK_SIZE, 'lost')
    device.ring.write(3, lost)
    device.ring.write(5, lost)
    await assert.rejects(device.ring.flush(), { code: 'EIO' })
    await disk.heal()
    await device.ring.flush()
    await device.close()
    const again = await FileDevice.open(volume, () => newLayout(RING_BLOCKS), { readOnly: true })
    for (const block of [3, 5]) assert.ok(readBlock(again, block).equals(stored), `block ${block}`)
    await again.close()
  },
)
