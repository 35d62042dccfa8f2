/**
 * Whether the volume may still be written. After a failed write or flush nobody knows what is on
 * the disk, so nothing is retried and nothing more is reported as stored: the volume is read-only
 * until it is opened again, and recovery decides (Rebello et al., ATC '20).
 */
import { FsError } from './errors.ts'

export class Health {
  private failure: unknown
  private readonly listeners: ((reason: unknown) => void)[] = []
  /** Mounted so, or opened so because of what was found. */
  readOnly = false

  get failed(): boolean {
    return this.failure !== undefined
  }

  /** Turns the volume read-only; the first reason counts. */
  fail(reason: unknown): void {
    if (this.failure !== undefined) return
    this.failure = reason ?? new Error('unknown failure')
    for (const listener of this.listeners) listener(reason)
  }

  onFailure(listener: (reason: unknown) => void): void {
    this.listeners.push(listener)
  }

  /** Throws FsError EROFS when nothing may be changed. */
  assertWritable(): void {
    if (this.failure !== undefined) {
      throw new FsError(
        'EROFS',
        'The volume is read-only since a write to the disk failed; unmount and mount it again',
        { cause: this.failure },
      )
    }
    if (this.readOnly) throw new FsError('EROFS', 'The volume is mounted read-only')
  }

  /** Throws FsError EIO when durability can no longer be promised. */
  assertDurable(): void {
    if (this.failure !== undefined) {
      throw new FsError('EIO', 'A write to the disk failed; what was not yet durable may be lost', {
        cause: this.failure,
      })
    }
  }
}
