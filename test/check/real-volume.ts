/** Populated volumes in temporary folders. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { FileDevice } from '../../src/device/file-device.ts'
import { newLayout } from '../../src/device/layout.ts'
import { chooseSuperblock } from '../../src/store/superblock.ts'
import { atEnd } from '../support/devices/at-end.ts'
import { openTestFilesystem } from '../support/volume.ts'
import { type Populated, populate, wrongFiles } from './populated.ts'

export const RING_BLOCKS = 512

export interface RealVolume extends Populated {
  readonly path: string
  readonly blocks: string
  readonly index: string
}

export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-check-'))
  atEnd(context, () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** Closed in order; also opened and closed again, so that LevelDB's log has become a table. */
export async function realVolume(context: TestContext, isReopened = true): Promise<RealVolume> {
  const path = join(temporaryFolder(context), 'volume')
  const device = await FileDevice.create(path, {
    ringBlocks: RING_BLOCKS,
    ballastBytes: 1024 * 1024,
  })
  const populated = await populate(device)
  await populated.fs.finish()
  await device.close()
  if (isReopened) await reopen(path)
  return { ...populated, path, blocks: join(path, 'blocks'), index: join(path, 'index') }
}

async function reopen(path: string): Promise<void> {
  const layout = newLayout(RING_BLOCKS)
  const device = await FileDevice.open(path, () => layout)
  const { fs } = await openTestFilesystem(device)
  await fs.finish()
  await device.close()
}

/** Files that cannot be read as they were stored. */
export async function wrongRealFiles(volume: RealVolume): Promise<string[]> {
  const device = await openUnprobed(volume)
  try {
    return await wrongFiles(device, volume)
  } finally {
    await device.close()
  }
}

/** Requires: a check has shown that the index ends no process. */
function openUnprobed({ path }: RealVolume): Promise<FileDevice> {
  const layoutOf = (copies: readonly Uint8Array[]) => chooseSuperblock(path, copies)
  return FileDevice.open(path, layoutOf, { readOnly: true })
}

/** Runs something on the index and puts the index back; opening alone changes LevelDB's files. */
export async function withIndexRestored(
  volume: RealVolume,
  work: () => Promise<void>,
): Promise<void> {
  const kept = `${volume.index}.kept`
  cpSync(volume.index, kept, { recursive: true })
  try {
    await work()
  } finally {
    rmSync(volume.index, { recursive: true })
    cpSync(kept, volume.index, { recursive: true })
    rmSync(kept, { recursive: true })
  }
}
