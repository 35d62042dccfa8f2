/**
 * One mount from its begin to its end: the volume is opened and recovered, the filesystem put on it,
 * the kernel connected; when the mount is gone, everything is made durable and the volume closed.
 */
import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import { FsError } from '../errors.ts'
import type { AccessTimesKept } from '../fs/access-times.ts'
import { Filesystem } from '../fs/filesystem.ts'
import { formatDevice } from '../fs/descriptors.ts'
import type { KernelCache } from '../fs/operations.ts'
import { ProcFilesystem } from '../fs/processes.ts'
import { KernelLink } from '../fuse/kernel/kernel-link.ts'
import type { MountNote } from '../fuse/kernel/mount-note.ts'
import { inspectMountpoint } from '../fuse/kernel/mount-point.ts'
import { findMount } from '../fuse/kernel/mount-table.ts'
import { KernelSession } from '../fuse/kernel/session.ts'
import { NativeSession } from '../fuse/native/session.ts'
import { UNCACHED } from '../fuse/native/uncached.ts'
import type { Transport, TransportName, TransportOptions } from '../fuse/transport.ts'
import type { RecoveryReport } from '../volume/open.ts'
import { type VolumeAtPath, openVolumeAt } from '../volume/path.ts'
import { Background } from './background.ts'
import { makeScrubber } from './scrub.ts'
import { DiskWatch } from './disk-watch.ts'

export interface SessionOptions extends AccessTimesKept {
  /** The volume's folder. */
  readonly volume: string
  readonly mountpoint: string
  /** What the mount table shows as the source. */
  readonly source: string
  readonly readOnly: boolean
  readonly newFiles: 'ordinary' | 'shared' | 'isolated'
  readonly allowOther: boolean
  /** Standard options for mount(8), as they are. */
  readonly mountOptions: readonly string[]
  readonly writebackCache: boolean
  /** How requests get here; through the kernel's own protocol if nothing is said. */
  readonly transport?: TransportName
  /** Let the mount be mapped to other ids, where the kernel can. */
  readonly allowIdmap?: boolean
  /** Keep processors from halting while requests follow each other, where that helps; so if nothing is said. */
  readonly idlePoll?: boolean
  /** How long the disk may take for an answer before the volume fails, in seconds; 0: for ever. */
  readonly ioTimeoutSeconds?: number
  /** Where `log` writes, if that is a file; for what a process beside this one has to say. */
  readonly logFile?: string
  /** What an earlier life of this mount has left word of. */
  readonly note?: MountNote
  readonly log: Logger
}

export class Session {
  readonly recovery: RecoveryReport
  /** Resolves when the volume is closed in order; rejects when that failed. */
  readonly ended: Promise<void>
  private readonly kernel: Transport
  private readonly log: Logger

  private constructor(
    kernel: Transport,
    recovery: RecoveryReport,
    ended: Promise<void>,
    log: Logger,
  ) {
    this.kernel = kernel
    this.recovery = recovery
    this.ended = ended
    this.log = log
  }

  /** Mounts; resolves when the mount is live. Throws FsError, and then nothing is mounted. */
  static async start(wanted: SessionOptions): Promise<Session> {
    // A dead mount stays until the new one can be put in its place, so that nobody meanwhile writes
    // into the folder below.
    const mountpoint = await inspectMountpoint(wanted.mountpoint)
    const options = { ...wanted, mountpoint }
    const { log } = options
    const disk = new DiskWatch(options)
    const volume = await openVolume(options, disk)
    reportRecovery(volume.report, log)
    try {
      const link = options.transport === 'fuse-native' ? undefined : new KernelLink()
      const processes = new ProcFilesystem(mountpoint)
      const filesystem = makeFilesystem(volume, link ?? UNCACHED, processes, options)
      volume.engine.health.onFailure((reason) => {
        log.fatal({ err: reason }, 'a write to the disk failed; the volume is now read-only')
      })
      const kernel = await startTransport(filesystem, volume, link, options)
      processes.noteMounted(formatDevice((await stat(mountpoint)).dev))
      const background = new Background(filesystem, log)
      const ended = kernel.ended
        .catch((error: unknown) => {
          log.error({ err: error }, 'the connection to the kernel broke')
        })
        .then(async () => close(filesystem, volume, background, log))
        .finally(() => {
          disk.end()
        })
      return new Session(kernel, volume.report, ended, log)
    } catch (error) {
      await volume.device.close().catch((second: unknown) => {
        log.error({ err: second }, 'the volume was not closed in order')
      })
      disk.end()
      throw error
    }
  }

  /**
   * Unmounts. While files are open it takes the mount out of sight and ends it all the same: what
   * is staged for ordinary files is published, and what uses the mount gets errors. Resolves when it
   * has ended, well or not.
   */
  async stop(): Promise<void> {
    try {
      await this.kernel.unmount()
    } catch (error) {
      const { mountpoint } = this.kernel
      const isBusy = error instanceof FsError && error.code === 'EBUSY'
      // What was unmounted lazily is in use still.
      if (!isBusy && (await findMount(mountpoint)) !== undefined) throw error
      this.log.warn({ mountpoint }, 'the mount is in use; ending it anyway')
      // A thread of this process may be waiting for an answer, and nobody would give it any more.
      if (isBusy) await this.kernel.unmount({ lazy: true, force: true })
      this.kernel.stop()
    }
    // However: `ended` tells its own listeners.
    await this.ended.catch(() => undefined)
  }
}

async function openVolume(options: SessionOptions, disk: DiskWatch): Promise<VolumeAtPath> {
  try {
    return await openVolumeAt(options.volume, options.readOnly, disk.calls)
  } catch (error) {
    disk.end()
    throw error
  }
}

function makeFilesystem(
  volume: VolumeAtPath,
  kernel: KernelCache,
  processes: ProcFilesystem,
  options: SessionOptions,
): Filesystem {
  return new Filesystem({
    engine: volume.engine,
    orphans: volume.orphans,
    hidden: volume.hidden,
    kernel,
    processes,
    scrubber: makeScrubber(volume, options.log),
    options: { ...options, noAccessTimes: options.noAccessTimes || options.readOnly },
    log: options.log,
  })
}

/** Without a link to the kernel's cache it is libfuse's. */
function startTransport(
  filesystem: Filesystem,
  volume: VolumeAtPath,
  link: KernelLink | undefined,
  options: SessionOptions,
): Promise<Transport> {
  const common: TransportOptions = {
    filesystem,
    mountpoint: options.mountpoint,
    source: options.source,
    log: options.log,
    onBug: (error) => {
      volume.engine.health.fail(error)
    },
    mount: { standard: options.mountOptions, allowOther: options.allowOther },
    ...(options.note !== undefined && { note: options.note }),
  }
  if (link === undefined) return NativeSession.start(common)
  return KernelSession.start({
    ...common,
    link,
    writebackCache: options.writebackCache,
    allowIdmap: options.allowIdmap ?? false,
    idlePoll: options.idlePoll ?? true,
  })
}

async function close(
  filesystem: Filesystem,
  volume: VolumeAtPath,
  background: Background,
  log: Logger,
): Promise<void> {
  await background.stop()
  try {
    await filesystem.finish()
  } finally {
    await volume.device.close()
  }
  log.info('unmounted')
}

function reportRecovery(report: RecoveryReport, log: Logger): void {
  if (report.damage !== undefined) {
    log.error({ damage: report.damage }, 'the volume is damaged and mounted read-only')
  }
  if (!report.wasClean) log.info(report, 'recovered after a crash')
}
