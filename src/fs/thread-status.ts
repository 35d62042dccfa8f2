/**
 * `/proc/PID/status` of threads that wait for us, which is asked for at each fsync and each close of an
 * atomic file. The descriptors of those who asked last are kept: reading again is one system call
 * instead of five. One stays that of the same thread: when that is gone, reading fails, whoever has
 * its number by then.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const KEPT_COUNT_MAX = 16
/** Enough unless a thread is in hundreds of groups. */
const READ_SIZE = 4096

export class ThreadStatus {
  private readonly buffer = Buffer.allocUnsafe(READ_SIZE)
  /** Descriptors by thread; the one that was asked for last is the last one. */
  private readonly kept = new Map<number, number>()

  /** What the file says now. Throws if there is none, or it is hidden. */
  read(pid: number): string {
    const path = `/proc/${pid}/status`
    const length = this.readKept(pid) ?? this.readNew(pid, path)
    if (length === READ_SIZE) return readFileSync(path, 'latin1')
    return this.buffer.toString('latin1', 0, length)
  }

  /** Undefined if no descriptor is kept, or its thread is gone. */
  private readKept(pid: number): number | undefined {
    const fd = this.kept.get(pid)
    if (fd === undefined) return undefined
    this.kept.delete(pid)
    try {
      const length = readSync(fd, this.buffer, 0, READ_SIZE, 0)
      this.kept.set(pid, fd)
      return length
    } catch {
      closeSync(fd)
      return undefined
    }
  }

  private readNew(pid: number, path: string): number {
    const fd = openSync(path, 'r')
    try {
      const length = readSync(fd, this.buffer, 0, READ_SIZE, 0)
      this.kept.set(pid, fd)
      return length
    } catch (error) {
      closeSync(fd)
      throw error
    } finally {
      this.dropOldest()
    }
  }

  private dropOldest(): void {
    const [oldest] = this.kept
    if (oldest === undefined || this.kept.size <= KEPT_COUNT_MAX) return
    this.kept.delete(oldest[0])
    closeSync(oldest[1])
  }
}
