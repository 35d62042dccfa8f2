/**
 * A real mount for the time of one test: a new volume and a new mount point in the folder for
 * temporary files, served by a process that the test may kill and start again.
 *
 * Whatever a daemon that no longer answers has left hangs every look at the mount, so nothing here
 * looks: mounts are found by path in /proc/self/mounts, and ended by force.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkPath } from '../../../src/check/check-path.ts'
import { DAEMON_FLAGS } from '../../../src/cli/daemon-node.ts'
import type { TransportName } from '../../../src/fuse/transport.ts'
import type { RecoveryReport } from '../../../src/volume/open.ts'
import { type MakePathOptions, makeVolumeAt } from '../../../src/volume/path.ts'
import { needs, start } from './run.ts'
import { transportOf } from './transports.ts'

const DAEMON = fileURLToPath(new URL('daemon.js', import.meta.url))
const START_TIMEOUT_MS = 30_000
const END_TIMEOUT_MS = 8000
const RING_BLOCKS = 1024
const BALLAST_BYTES = 4 * 1024 * 1024

export interface DaemonOptions {
  readonly volume: string
  readonly mountpoint: string
  readonly readOnly: boolean
  readonly newFiles: 'ordinary' | 'shared' | 'isolated'
  readonly writebackCache: boolean
  readonly mountOptions: readonly string[]
  readonly transport: TransportName
  readonly allowIdmap?: boolean
}

export interface DaemonMessage {
  readonly recovery?: RecoveryReport
  readonly failure?: string
}

export type MountOptions = Partial<Omit<DaemonOptions, 'mountpoint'>>

const SMALL: MakePathOptions = { ringBlocks: RING_BLOCKS, ballastBytes: BALLAST_BYTES }

/** Makes a volume and mounts it until the test ends. */
export async function mounted(
  context: TestContext,
  options: MountOptions = {},
  makeOptions = SMALL,
): Promise<Mount> {
  assert.ok(existsSync('/dev/fuse'), 'This test needs /dev/fuse: run "modprobe fuse"')
  await needs('setfattr', 'attr')
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-mount-'))
  const mount = new Mount(folder, { transport: transportOf(context), ...options })
  context.after(async () => {
    await mount.cleanUp()
  })
  await mkdir(mount.path)
  await makeVolumeAt(mount.volume, makeOptions)
  await mount.remount()
  return mount
}

export class Mount {
  /** A folder outside the mount, for what a test keeps apart. */
  readonly folder: string
  /** The mount point. */
  readonly path: string
  readonly volume: string
  readonly #options: MountOptions
  #daemon: Daemon | undefined

  constructor(folder: string, options: MountOptions) {
    this.folder = folder
    this.path = join(folder, 'mount')
    this.volume = options.volume ?? join(folder, 'volume')
    this.#options = options
  }

  /** The path of a name on the mount. */
  at(...names: readonly string[]): string {
    return join(this.path, ...names)
  }

  get pid(): number {
    return this.#daemon?.child.pid ?? 0
  }

  /** Ends the daemon as a crash would. Afterwards the mount answers ENOTCONN. */
  async kill(): Promise<void> {
    this.#daemon?.child.kill('SIGKILL')
    await this.#ended(this.#daemon)
  }

  /** Unmounts; fails unless the volume was closed in order, and has nothing wrong with it. */
  async unmount(timeoutMs = END_TIMEOUT_MS): Promise<void> {
    const { status, stderr } = await start('umount', ['-i', '--', this.path]).ended
    assert.equal(status, 0, `Cannot unmount: ${stderr}`)
    assert.equal(await this.#ended(this.#daemon, timeoutMs), 0, 'the daemon ended in order')
    this.#daemon = undefined
    const { findings } = await checkPath(this.volume, { data: true })
    assert.deepEqual(findings, [])
  }

  /** Cuts the connection, as for a busy mount that must end; fails unless the volume was closed in order. */
  async cut(): Promise<void> {
    await start('umount', ['-i', '-f', '-l', '--', this.path]).ended
    assert.equal(await this.#ended(this.#daemon), 0, 'the daemon ended in order')
    this.#daemon = undefined
  }

  /** Mounts, also over what a killed daemon has left; says what recovery did. */
  async remount(options: MountOptions = {}): Promise<RecoveryReport> {
    const daemon = new Daemon({
      volume: this.volume,
      mountpoint: this.path,
      readOnly: false,
      newFiles: 'ordinary',
      writebackCache: true,
      mountOptions: [],
      transport: 'kernel',
      ...this.#options,
      ...options,
    })
    this.#daemon = daemon
    return daemon.mounted
  }

  async crash(): Promise<RecoveryReport> {
    await this.kill()
    return this.remount()
  }

  async cleanUp(): Promise<void> {
    this.#daemon?.child.kill('SIGKILL')
    // What still waits for the mount gets errors, so that nothing outlives the test.
    while (await this.isInTable()) {
      await start('umount', ['-i', '-f', '-l', '--', this.path], { timeoutMs: 10_000 }).ended
    }
    await this.#ended(this.#daemon)
    await rm(this.folder, { recursive: true, force: true })
  }

  async isInTable(): Promise<boolean> {
    const table = await readFile('/proc/self/mounts', 'utf8')
    return table.split('\n').some((line) => line.split(' ')[1] === this.path)
  }

  async #ended(
    daemon: Daemon | undefined,
    timeoutMs = END_TIMEOUT_MS,
  ): Promise<number | undefined> {
    if (daemon === undefined) return undefined
    return inTime(daemon.ended, timeoutMs, 'The daemon does not end')
  }
}

class Daemon {
  readonly child: ChildProcess
  readonly mounted: Promise<RecoveryReport>
  readonly ended: Promise<number | undefined>

  constructor(options: DaemonOptions) {
    this.child = fork(DAEMON, [JSON.stringify(options)], {
      execArgv: [...DAEMON_FLAGS],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (status) => {
        resolve(status ?? undefined)
      })
    })
    const answered = new Promise<RecoveryReport>((resolve, reject) => {
      this.child.on('message', ({ recovery, failure }: DaemonMessage) => {
        if (recovery !== undefined) resolve(recovery)
        else reject(new Error(failure))
      })
      this.child.on('exit', (status, signal) => {
        reject(new Error(`The daemon has ended with ${signal ?? String(status)}`))
      })
    })
    this.mounted = inTime(answered, START_TIMEOUT_MS, 'The daemon does not mount')
    this.mounted.catch(() => undefined)
  }
}

async function inTime<Value>(
  work: Promise<Value>,
  timeoutMs: number,
  message: string,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(message))
    }, timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
