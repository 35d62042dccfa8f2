/** Has what was written to files published before they are copied. */
import { FsError } from '../errors.ts'
import { type Ino, type Inode, isAtomic } from '../store/inode.ts'
import { publish } from '../txn/publish.ts'
import { publishIfClosed } from './close-policy.ts'
import type { FsContext } from './context.ts'

/** How often a file is published that is written to all the time. */
const TRIES = 8

export class SettledFiles {
  private readonly context: FsContext
  /** Files of which the kernel has written back what it had cached. */
  private readonly flushed = new Set<Ino>()
  private tries = 0

  constructor(context: FsContext) {
    this.context = context
  }

  /**
   * Whether the published content of a file is what everybody sees, or, of an atomic one or within a
   * transaction, what a crash would leave; and nothing is being published.
   */
  isSettled(source: Inode): boolean {
    const file = this.context.files.find(source.ino)
    if (file === undefined) return true
    if (file.lock.isHeld) return false
    const isFlushed = this.flushed.has(source.ino)
    if (isAtomic(source) || file.transaction !== undefined)
      return isFlushed || file.shadow === undefined
    return file.shadow === undefined && (isFlushed || this.context.files.writerCount(file) === 0)
  }

  /** Makes it so, for the moment. Throws FsError EBUSY when that has not helped for long. */
  async settle(ino: Ino): Promise<void> {
    const { engine, files, kernel } = this.context
    if (this.tries++ === TRIES)
      throw new FsError('EBUSY', `Inode ${ino} is written to all the time`)
    const file = files.file(ino)
    if (files.writerCount(file) > 0 && !this.flushed.has(ino)) await kernel.invalidate(ino)
    this.flushed.add(ino)
    const inode = engine.inodes.find(ino)
    if (inode !== undefined && file.shadow !== undefined) {
      if (isAtomic(inode)) await publishIfClosed(this.context, file)
      else await publish(engine, file, { soon: false })
    }
    const release = await file.lock.acquire()
    release()
    files.settle(file)
  }

  /** Something was copied since. */
  noteProgress(): void {
    this.tries = 0
  }
}
