/** A volume in this process, without a mount. */
import { pino } from 'pino'
import { Filesystem } from '../src/fs/filesystem.ts'
import type { WriteRequest } from '../src/fs/operations.ts'
import type { OpenedVolume } from '../src/volume/open.ts'
import { makeVolumeAt, openVolumeAt } from '../src/volume/path.ts'
import { NO_KERNEL } from '../test/support/volume.ts'

export const ROOT = 1
export const O_RDWR = 2
export const CALLER = { uid: 0, gid: 0, pid: 0 } as const

/** Makes a volume, and closes it in order when the work is done. */
export async function onNewVolume(
  path: string,
  work: (filesystem: Filesystem) => Promise<void>,
): Promise<void> {
  await makeVolumeAt(path)
  await onVolume(path, work)
}

/** Opens a volume, and closes it in order when the work is done; says how many ms opening took. */
export async function onVolume<Value>(
  path: string,
  work: (filesystem: Filesystem, openMs: number) => Promise<Value>,
): Promise<Value> {
  const started = performance.now()
  const volume = await openVolumeAt(path, false)
  const openMs = performance.now() - started
  try {
    if (!volume.report.wasClean) throw new Error(`Volume "${path}" was not closed in order`)
    const filesystem = filesystemOn(volume)
    const value = await work(filesystem, openMs)
    await filesystem.finish()
    return value
  } finally {
    await volume.device.close()
  }
}

function filesystemOn(volume: OpenedVolume): Filesystem {
  return new Filesystem({
    engine: volume.engine,
    orphans: volume.orphans,
    hidden: volume.hidden,
    kernel: NO_KERNEL,
    processes: {
      state: () => 'running',
      isKilled: () => false,
      asksUnlocked: () => Promise.resolve(true),
      writeLength: () => Promise.resolve(undefined),
      processOf: (thread) => thread,
      lineOf: (thread) => [thread],
      hasDescriptor: () => Promise.resolve(false),
      hasMapped: () => false,
      hasWriter: () => Promise.resolve(false),
      credentials: () => undefined,
      seesMapped: () => false,
      mayHaveWriter: () => Promise.resolve(true),
      isThere: () => true,
      descriptor: () => Promise.resolve('hidden'),
      memory: () => Promise.resolve(undefined),
    },
    options: { newFiles: 'shared', noAccessTimes: true },
    log: pino({ enabled: false }),
  })
}

const takeMemory = (): (() => void) => () => undefined

export function writeOf(offset: number, data: Uint8Array): WriteRequest {
  return { offset, data, fromCache: false, killPrivileges: false, takeMemory }
}
