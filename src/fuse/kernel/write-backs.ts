/**
 * How this program has the kernel send what it has dirty of a file, and keep it cached. Nothing that
 * the daemon may tell the kernel does that: dropping pages sends them first, but one after the other,
 * and the file must be read again. So this program maps the file through its own mount and calls
 * msync(2), which sends content and times as any other would:
 *
 *   open(2) in a thread of the pool, mmap(2), close(2); once
 *     LOOKUP(root, secret name)   answered with the inode
 *     OPEN, FLUSH                 of OWN_HANDLE; they do not reach the filesystem
 *   msync(2), each time
 *     WRITE, SETATTR(times)       as for everybody
 *     FSYNC                       of OWN_HANDLE, answered at once
 *   munmap(2)
 *     RELEASE                     of OWN_HANDLE, answered at once
 *
 * A descriptor would do as well, but a process that is killed sends a FLUSH for each that it has, and
 * waits for the answer, which it would have to give itself; a mapping just goes. msync(2) does nothing
 * for what is open for reading only, so the file is open for writing. Nothing is written through it,
 * but the kernel may choose its handle for what others have written.
 *
 * A mount with a mapped file is busy, so the mapping may stay only while a program has the file open
 * for writing too: whoever asks for write-backs calls `end` before he answers that program's close(2).
 */
import { close, constants, open } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FsError } from '../../errors.ts'
import type { Caller, Ino } from '../../fs/operations.ts'
import type { WriteBackRequests } from './edge.ts'
import { type Mapping, mapShared, syncMapping, unmap } from './libc.ts'
import type { Notifications } from './notifications.ts'
import { isOwnThread, secretName } from './own-requests.ts'
import { ROOT_INO } from './protocol.ts'

const openFile = promisify(open)
const closeFile = promisify(close)

/** A lease of somebody else on the file is not waited for. */
const FLAGS = constants.O_RDWR | constants.O_NONBLOCK

/** Room for a hundred files in the address space of a process. What lies behind is dropped. */
const MAPPED_BYTES = 2 ** 40

interface OwnFile {
  readonly mapping: Mapping
  /** Resolves when nobody uses the mapping any more; never rejects. */
  lastUse: Promise<unknown>
}

export class WriteBacks implements WriteBackRequests {
  readonly #names = new Map<string, Ino>()
  readonly #files = new Map<Ino, Promise<OwnFile | undefined>>()

  findTarget(parent: Ino, name: string, caller: Caller): Ino | undefined {
    if (this.#names.size === 0 || parent !== ROOT_INO || !isOwnThread(caller)) return undefined
    return this.#names.get(name)
  }

  isOwnOpen(ino: Ino, caller: Caller): boolean {
    if (this.#names.size === 0) return false
    return [...this.#names.values()].includes(ino) && isOwnThread(caller)
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
    const name = secretName('write-back')
    this.#names.set(name, ino)
    try {
      const fd = await openFile(join(mountpoint, name), FLAGS)
      const mapping = mapShared(fd, MAPPED_BYTES)
      await closeFile(fd)
      return mapping === undefined ? undefined : { mapping, lastUse: Promise.resolve() }
    } catch {
      return undefined
    } finally {
      this.#names.delete(name)
      await notifications.dropEntry(ROOT_INO, name)
    }
  }
}
