/** Makes and opens a volume in this process, without a mount. */
import { pino } from 'pino'
import { Filesystem } from '../src/fs/filesystem.ts'
import type { WriteRequest } from '../src/fs/operations.ts'
import type { OpenedVolume } from '../src/volume/open.ts'
import { makeVolumeAt, openVolumeAt } from '../src/volume/path.ts'
import { NO_KERNEL } from '../test/support/volume.ts'
import { PAGE_SIZE, pageBuffer, stampPage } from './pages.ts'

export const FRAGMENTED_NAME = 'fragmented'

const ROOT = 1
const O_RDWR = 2
/** As many as one commit carries in its own record. */
const PAGES_PER_COMMIT = 64

/** Makes a file whose every second block is a hole, with this many extents. */
export async function makeFragmentedVolume(path: string, extentCount: number): Promise<void> {
  await makeVolumeAt(path)
  const volume = await openVolumeAt(path, false)
  try {
    const filesystem = filesystemOn(volume)
    const { opened } = await filesystem.create(ROOT, FRAGMENTED_NAME, 0o644, O_RDWR, {
      uid: 0,
      gid: 0,
      pid: 0,
    })
    const page = pageBuffer(PAGE_SIZE)
    for (let extent = 0; extent < extentCount; extent++) {
      stampPage(page, 0, 2 * extent, 1)
      await filesystem.write(opened.fh, writeOf(2 * extent * PAGE_SIZE, page))
      if ((extent + 1) % PAGES_PER_COMMIT === 0) await filesystem.fsync(opened.fh)
    }
    await filesystem.fsync(opened.fh)
    await filesystem.release(opened.fh)
    await filesystem.finish()
  } finally {
    await volume.device.close()
  }
}

/** Opens a volume and closes it in order; returns how long it took to open, in milliseconds. */
export async function timeOpen(path: string): Promise<number> {
  const started = performance.now()
  const volume = await openVolumeAt(path, false)
  const timeMs = performance.now() - started
  try {
    if (!volume.report.wasClean) throw new Error(`Volume "${path}" was not closed in order`)
    await filesystemOn(volume).finish()
  } finally {
    await volume.device.close()
  }
  return timeMs
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

function writeOf(offset: number, data: Uint8Array): WriteRequest {
  return { offset, data, fromCache: false, killPrivileges: false, takeMemory }
}
