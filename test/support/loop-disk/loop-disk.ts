/**
 * A block device whose every read, write and flush goes through a program of ours, for the time of
 * one test: it can be recorded, made to fail and to hang.
 *
 *   ext4 or XFS ── /dev/loopN ── file `disk` on a FUSE mount ── disk-server.ts ── a sparse file
 *
 * The loop device uses direct I/O, so that nothing is cached below it; a flush of the device is an
 * fsync of the file. It has a volatile cache as far as its user can tell, and so has to flush.
 *
 * The server is a process of its own, as a loop device that waits for its own process waits for ever.
 * For the same reason nothing in this process may look at what is mounted from the device
 * synchronously while it hangs.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needs } from '../../mount/support/run.ts'
import { type Lifetime, atEnd } from '../devices/at-end.ts'
import type { Patch } from './disk-content.ts'
import type { Failure, RequestKind } from './disk-faults.ts'
import { type DiskEvent, readDiskLog } from './disk-log.ts'
import { DiskProcess } from './disk-process.ts'
import type { DiskServerOptions } from './disk-server.ts'

export interface LoopDiskOptions {
  readonly sizeBytes: number
  /** Keep a log of writes, flushes and marks from the start. */
  readonly isRecorded?: boolean
  /** The file with the bytes to begin with, which is not changed; zeros if absent. */
  readonly image?: string
}

export class LoopDisk {
  /** `/dev/loopN`. */
  readonly device: string
  readonly #server: DiskProcess
  readonly #folder: string

  private constructor(device: string, server: DiskProcess, folder: string) {
    this.device = device
    this.#server = server
    this.#folder = folder
  }

  /** Makes a disk of zeros. It ends with the test. */
  static async start(context: Lifetime, options: LoopDiskOptions): Promise<LoopDisk> {
    assert.equal(process.getuid?.(), 0, 'Loop devices need root')
    assert.ok(existsSync('/dev/fuse'), 'Loop disks need /dev/fuse: run "modprobe fuse"')
    await needs('losetup', 'mount')
    const folder = await mkdtemp(join(tmpdir(), 'oatomic-disk-'))
    const server = new DiskProcess(folder, await prepare(folder, options))
    atEnd(context, () => server.stop())
    await server.started
    return new LoopDisk(await server.attach(), server, folder)
  }

  /** A disk that begins as a file is, and leaves the file so. */
  static ofImage(context: Lifetime, image: string, sizeBytes: number): Promise<LoopDisk> {
    return LoopDisk.start(context, { sizeBytes, image })
  }

  /** Puts a label into the log, behind all that has been answered by now. */
  async mark(label: string): Promise<void> {
    await this.#server.tell({ verb: 'mark', label })
  }

  /** Everything in the log up to now. Requires: the disk is recorded, and at rest. */
  record(): DiskEvent[] {
    return readDiskLog(logPath(this.#folder))
  }

  /** Has requests of one kind fail from now on. The kernel may turn ENOSPC into EIO. */
  async fail(failure: Failure): Promise<void> {
    await this.#server.tell({ verb: 'fail', failure })
  }

  /** Has requests of one kind wait from now on. */
  async hang(kind: RequestKind): Promise<void> {
    await this.#server.tell({ verb: 'hang', kind })
  }

  /** How many requests wait. */
  async waitingCount(): Promise<number> {
    return (await this.#server.tell({ verb: 'waiting' })) ?? 0
  }

  /** Ends failures and hanging; what waits goes on. */
  async heal(): Promise<void> {
    await this.#server.tell({ verb: 'heal' })
  }

  /**
   * Makes it the disk of its image with these bytes instead, and begins a new log if it is recorded.
   * Requires: made with an image, and nothing has the device open.
   */
  async reset(patches: readonly Patch[], isRecorded = false): Promise<void> {
    const log = isRecorded ? { log: logPath(this.#folder) } : {}
    await this.#server.tell({ verb: 'reset', patches, ...log })
  }

  /** Takes the disk away. What still uses the device gets errors. */
  async stop(): Promise<void> {
    await this.#server.stop()
  }
}

function logPath(folder: string): string {
  return join(folder, 'log')
}

async function prepare(folder: string, options: LoopDiskOptions): Promise<DiskServerOptions> {
  const mountpoint = join(folder, 'mount')
  await mkdir(mountpoint)
  const file = options.image ?? join(folder, 'bytes')
  if (options.image === undefined) {
    const handle = await open(file, 'w')
    await handle.truncate(options.sizeBytes)
    await handle.close()
  }
  return {
    mountpoint,
    file,
    sizeBytes: options.sizeBytes,
    isOverlay: options.image !== undefined,
    ...(options.isRecorded === true && { log: logPath(folder) }),
  }
}
