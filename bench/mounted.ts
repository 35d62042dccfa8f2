/** A volume mounted by a daemon of its own; whatever happens, the mount does not outlive the bench. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { makeVolumeAt } from '../src/volume/path.ts'
import { Child } from './child.ts'

const MOUNT_TIMEOUT_MS = 60_000
/** Unmounting writes what is staged and makes a checkpoint. */
const STOP_TIMEOUT_MS = 120_000
/** The periodic writeback comes every 5 s. */
const QUIET_MS = 6000
const SETTLE_TIMEOUT_MS = 60_000

const live = new Set<string>()

// The last resort, when the program ends in the middle of something.
process.on('exit', () => {
  for (const mountpoint of live) unmountLazily(mountpoint)
})

function unmountLazily(mountpoint: string): void {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) spawnSync('umount', ['-i', '-l', '--', mountpoint], { timeout: 10_000 })
  else spawnSync('fusermount3', ['-u', '-z', '--', mountpoint], { timeout: 10_000 })
}

export class Mounted {
  readonly path: string
  readonly #volume: string
  #daemon: Child

  private constructor(volume: string, path: string) {
    this.#volume = volume
    this.path = path
    this.#daemon = new Child('daemon', [volume, path])
  }

  /** Makes a new volume and mounts it. */
  static async make(volume: string, mountpoint: string): Promise<Mounted> {
    await makeVolumeAt(volume)
    return Mounted.start(volume, mountpoint)
  }

  static async start(volume: string, mountpoint: string): Promise<Mounted> {
    mkdirSync(mountpoint, { recursive: true })
    live.add(mountpoint)
    const mounted = new Mounted(volume, mountpoint)
    try {
      await mounted.#daemon.ask(undefined, MOUNT_TIMEOUT_MS)
    } catch (error) {
      await mounted.abort()
      throw error
    }
    return mounted
  }

  /** The daemon's process. */
  get pid(): number {
    return this.#daemon.pid
  }

  /** Unmounts in order. */
  async stop(): Promise<void> {
    const outcome = await this.#daemon.stop(STOP_TIMEOUT_MS)
    if (outcome !== 0) throw new Error(`The daemon has ended with ${outcome}`)
    live.delete(this.path)
  }

  /** Unmounts and mounts again, with nothing cached. Requires: nothing is open. */
  async remount(): Promise<void> {
    await this.stop()
    live.add(this.path)
    this.#daemon = new Child('daemon', [this.#volume, this.path])
    await this.#daemon.ask(undefined, MOUNT_TIMEOUT_MS)
  }

  /** Takes the mount away at once, if it is still there. */
  async abort(): Promise<void> {
    if (!live.has(this.path)) return
    this.#daemon.kill()
    await this.#daemon.ended
    unmountLazily(this.path)
    live.delete(this.path)
  }

  /** Resident memory of the daemon, now, without mapped files, or at its highest. */
  memoryBytes(which: 'VmRSS' | 'RssAnon' | 'VmHWM'): number {
    return field(`/proc/${this.pid}/status`, which) * 1024
  }

  /** Bytes that the daemon had written to the disk, when it has stopped to write. */
  async settledWrittenBytes(): Promise<number> {
    const path = `/proc/${this.pid}/io`
    const started = performance.now()
    for (let before = -1; performance.now() - started < SETTLE_TIMEOUT_MS;) {
      const now = field(path, 'write_bytes')
      if (now === before) return now
      before = now
      await new Promise((resolve) => {
        setTimeout(resolve, QUIET_MS)
      })
    }
    throw new Error('The daemon writes to the disk although nobody uses the mount')
  }
}

function field(path: string, name: string): number {
  const match = new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(readFileSync(path, 'latin1'))
  if (match === null) throw new Error(`"${path}" has no ${name}`)
  return Number(match[1])
}
