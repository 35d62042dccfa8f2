/** Looks at the daemon and its volume in steady intervals. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type MountedVolume, countNames, readOr } from './mounted-volume.ts'

export interface Sample {
  /** Seconds since the begin of the soak. */
  readonly at: number
  readonly pid: number
  readonly rssMib: number
  readonly descriptorCount: number
  readonly indexMib: number
  readonly blocksMib: number
}

const MIB = 1024 * 1024
const BLOCK_BYTES = 512

export class Probe {
  readonly samples: Sample[] = []
  readonly #mounted: MountedVolume
  readonly #begin = performance.now()

  constructor(mounted: MountedVolume) {
    this.#mounted = mounted
  }

  get seconds(): number {
    return (performance.now() - this.#begin) / 1000
  }

  /** Takes a sample, if there is a daemon at the moment. */
  look(): void {
    const pid = this.#mounted.daemonPid()
    if (pid === undefined) return
    const memory = /^VmRSS:\s+(\d+) kB/m.exec(readOr(`/proc/${pid}/status`))?.[1]
    if (memory === undefined) return
    const { volume } = this.#mounted
    this.samples.push({
      at: this.seconds,
      pid,
      rssMib: Number(memory) / 1024,
      descriptorCount: countNames(`/proc/${pid}/fd`),
      indexMib: folderBytes(join(volume, 'index')) / MIB,
      blocksMib: (statSync(join(volume, 'blocks')).blocks * BLOCK_BYTES) / MIB,
    })
  }
}

function folderBytes(path: string): number {
  return readdirSync(path)
    .map((name) => statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0)
}
