/**
 * Space held in reserve for LevelDB, which must never meet a full disk: after one failed append it
 * has been seen to lose later batches that it acknowledged. When others fill the host, the ballast
 * is given up and the data may not grow until there is space to take it again.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  statfsSync,
  truncateSync,
} from 'node:fs'
import { FsError } from '../errors.ts'
import { fallocate } from './host.ts'
import { onHost } from './host-error.ts'

export const BALLAST_BYTES = 64 * 1024 * 1024
/** LevelDB's log, the table written from it and one compaction. */
const MARGIN_BYTES_MAX = 32 * 1024 * 1024

/** Unit of a file's allocated space in stat(2). */
const STAT_BLOCK_BYTES = 512

export class Ballast {
  readonly #path: string
  readonly #folder: string
  readonly #sizeBytes: number
  /** What the data leaves free besides. */
  readonly #marginBytes: number
  #heldBytes: number

  /** By default it is as large as the one that is there. */
  constructor(path: string, folder: string, sizeBytes?: number) {
    this.#path = path
    this.#folder = folder
    const found = statSync(path, { throwIfNoEntry: false })
    const size = found?.size ?? 0
    this.#sizeBytes = sizeBytes ?? (size > 0 ? size : BALLAST_BYTES)
    // A file that was released keeps its length, which tells the next one how much to hold.
    this.#heldBytes = (found?.blocks ?? 0) * STAT_BLOCK_BYTES >= size ? size : 0
    this.#marginBytes = Math.min(MARGIN_BYTES_MAX, Math.ceil(this.#sizeBytes / 2))
  }

  isReleased(): boolean {
    return this.#heldBytes < this.#sizeBytes
  }

  /** Whether LevelDB may grow: what the ballast was is its own until little of that is left. */
  hasSpace(): boolean {
    return !this.isReleased() || this.#hostFreeBytes() >= this.#marginBytes
  }

  /** What the host could give to the data: not the margin, nor what the ballast lacks. */
  freeBytes(): number {
    const lacking = Math.max(0, this.#sizeBytes - this.#heldBytes)
    return Math.max(0, this.#hostFreeBytes() - this.#marginBytes - lacking)
  }

  /** Releases or takes the space, as the host's free space demands; called before LevelDB writes. */
  tend(): void {
    const freeBytes = this.#hostFreeBytes()
    if (freeBytes < this.#marginBytes) this.release()
    else if (this.isReleased() && freeBytes > this.#sizeBytes + 2 * this.#marginBytes)
      this.#tryTake()
  }

  /** Gives the space to the host. */
  release(): void {
    if (this.#heldBytes === 0) return
    onHost('release', this.#path, () => {
      truncateSync(this.#path, 0)
      truncateSync(this.#path, this.#sizeBytes)
    })
    this.#heldBytes = 0
  }

  /** Takes the space, all or none. Throws FsError ENOSPC. */
  take(): void {
    onHost('allocate', this.#path, () => {
      const fd = openSync(this.#path, 'a')
      try {
        this.#allocate(fd)
      } finally {
        closeSync(fd)
      }
    })
    this.#heldBytes = this.#sizeBytes
  }

  /** Another may have taken the space first; then it stays released. */
  #tryTake(): void {
    try {
      this.take()
    } catch (error) {
      if (!(error instanceof FsError && error.code === 'ENOSPC')) throw error
    }
  }

  #allocate(fd: number): void {
    try {
      if (this.#sizeBytes > 0) fallocate(fd, 0, this.#sizeBytes)
      fsyncSync(fd)
    } catch (error) {
      ftruncateSync(fd, 0)
      ftruncateSync(fd, this.#sizeBytes)
      throw error
    }
  }

  #hostFreeBytes(): number {
    return onHost('stat', this.#folder, () => {
      const host = statfsSync(this.#folder)
      return host.bavail * host.bsize
    })
  }
}
