/** Small volumes in temporary folders. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { FileDevice } from '../../src/device/file-device.ts'
import { newLayout } from '../../src/device/layout.ts'
import { atEnd } from '../support/devices/at-end.ts'
import { patternOf } from './contract.ts'

export const RING_BLOCKS = 64
export const OPTIONS = { ringBlocks: RING_BLOCKS, ballastBytes: 1024 * 1024 }

export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-device-'))
  atEnd(context, () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

export function closeAfter(context: TestContext, device: FileDevice): FileDevice {
  atEnd(context, () => device.close())
  return device
}

export async function newVolume(path: string): Promise<FileDevice> {
  const device = await FileDevice.create(path, OPTIONS)
  await device.writeSuperblock(0, patternOf(100))
  await device.writeSuperblock(1, patternOf(101))
  return device
}

export function openVolume(path: string, readOnly = false): Promise<FileDevice> {
  return FileDevice.open(path, () => newLayout(RING_BLOCKS), { readOnly })
}
