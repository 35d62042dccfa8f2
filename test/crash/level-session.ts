/** A filesystem in a folder of the host, with an oracle, so that the steps of the other tests run on it. */
import { FileDevice } from '../../src/device/file-device.ts'
import { chooseSuperblock } from '../../src/store/superblock.ts'
import { openTestFilesystem } from '../support/volume.ts'
import { CapturingDevice } from './level-device.ts'
import { observe } from './observe.ts'
import { Oracle } from './oracle.ts'
import type { Session } from './session.ts'

export interface LevelSession extends Session {
  readonly capturing: CapturingDevice
}

/** Opens the volume at a path; whatever was there is taken for acknowledged. */
export async function openLevelSession(path: string): Promise<LevelSession> {
  const device = await FileDevice.open(path, (copies) => chooseSuperblock(path, copies))
  const capturing = new CapturingDevice(device, path)
  const { fs, volume, processes } = await openTestFilesystem(capturing)
  return {
    get device(): never {
      throw new Error('There is no recording device')
    },
    capturing,
    fs,
    engine: volume.engine,
    processes,
    oracle: new Oracle(await observe(fs), () => capturing.now()),
    handles: new Map(),
    staged: new Map(),
    transactions: new Map(),
    canceled: new Set(),
    openedAt: capturing.now(),
  }
}
