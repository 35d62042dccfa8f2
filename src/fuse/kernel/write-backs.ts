/**
 * How this program has the kernel send what it has dirty of a file, content and times, and keep it cached.
 * Nothing that the daemon may tell the kernel does that: dropping pages sends them first, but one after
 * the other, and the file must be read again. So this program maps the file (`own-files.ts`) and calls
 * msync(2), which sends content and times as any other would:
 *
 *   mmap(2), once
 *   msync(2), each time
 *     WRITE, SETATTR(times)       as for everybody
 *     FSYNC                       of OWN_HANDLE, answered at once
 *   munmap(2)
 *
 * A mount with a mapped file is busy, so the mapping may stay only while a program has the file open
 * for writing too: whoever asks for write-backs calls `end` before he answers that program's close(2).
 */
import { FsError } from '../../errors.ts'
import type { Ino } from '../../fs/operations.ts'
import { type Mapping, mapShared, syncMapping, unmap } from './libc.ts'
import type { Notifications } from './notifications.ts'
import type { OwnFiles } from './own-files.ts'

/** Room for a hundred files in the address space of a process. What lies behind is dropped. */
const MAPPED_BYTES = 2 ** 40

interface OwnFile {
  readonly mapping: Mapping
  /** Resolves when nobody uses the mapping any more; never rejects. */
  lastUse: Promise<unknown>
}

export class WriteBacks {
  readonly #ownFiles: OwnFiles
  readonly #files = new Map<Ino, Promise<OwnFile | undefined>>()

  constructor(ownFiles: OwnFiles) {
    this.#ownFiles = ownFiles
  }

  /** Blocks threads of the pool. Throws FsError EIO if what was dirty could not be written. */
  async run(ino: Ino, notifications: Notifications, mountpoint: string): Promise<void> {
    let opening = this.#files.get(ino)
    if (opening === undefined) {
      opening = this.#open(ino, notifications, mountpoint)
      this.#files.set(ino, opening)
    }
    const file = await opening
    if (file === undefined) {
      this.#files.delete(ino)
      await notifications.dropInode(ino)
      return
    }
    const syncing = Promise.all([
      syncMapping(file.mapping),
      notifications.dropInode(ino, MAPPED_BYTES),
    ])
    file.lastUse = Promise.allSettled([file.lastUse, syncing])
    const [result] = await syncing
    if (result !== 0) throw new FsError('EIO', `What was written to inode ${ino} is lost`)
  }

  has(ino: Ino): boolean {
    return this.#files.has(ino)
  }

  /** Lets go of what `run` keeps of an inode. */
  async end(ino: Ino): Promise<void> {
    const opening = this.#files.get(ino)
    if (opening === undefined) return
    this.#files.delete(ino)
    const file = await opening
    if (file === undefined) return
    await file.lastUse
    await unmap(file.mapping)
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#files.keys()].map(async (ino) => this.end(ino)))
  }

  /** Undefined if the file cannot be opened, as where the daemon has no right to. */
  async #open(
    ino: Ino,
    notifications: Notifications,
    mountpoint: string,
  ): Promise<OwnFile | undefined> {
    return this.#ownFiles.open(ino, { notifications, mountpoint }, (fd) => {
      const mapping = mapShared(fd, MAPPED_BYTES)
      return mapping === undefined ? undefined : { mapping, lastUse: Promise.resolve() }
    })
  }
}
