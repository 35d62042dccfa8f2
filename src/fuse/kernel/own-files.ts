/**
 * Files that this program opens through its own mount, by inode:
 *
 *   open(2) in a thread of the pool, close(2)
 *     LOOKUP(root, secret name)   answered with the inode
 *     OPEN, FLUSH                 of OWN_HANDLE; they do not reach the filesystem
 *   whatever was made of the descriptor is given up
 *     RELEASE                     of OWN_HANDLE, answered at once
 *
 * The descriptor is closed before anything else happens: a process that is killed sends a FLUSH for each
 * that it has, and waits for the answer, which it would have to give itself. Nothing is written through
 * these files, but the kernel may choose their handle for what others have written; and it writes
 * nothing back for what is open for reading only.
 */
import { close, constants, open } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Caller, Ino } from '../../fs/operations.ts'
import type { OwnFileRequests } from './edge.ts'
import type { Notifications } from './notifications.ts'
import { isOwnThread, secretName } from './own-requests.ts'
import { ROOT_INO } from './protocol.ts'

const openFile = promisify(open)
const closeFile = promisify(close)

/** A lease of somebody else on the file is not waited for. */
const FLAGS = constants.O_RDWR | constants.O_NONBLOCK

export class OwnFiles implements OwnFileRequests {
  readonly #names = new Map<string, Ino>()

  findTarget(parent: Ino, name: string, caller: Caller): Ino | undefined {
    if (this.#names.size === 0 || parent !== ROOT_INO || !isOwnThread(caller)) return undefined
    return this.#names.get(name)
  }

  isOwnOpen(ino: Ino, caller: Caller): boolean {
    if (this.#names.size === 0) return false
    return [...this.#names.values()].includes(ino) && isOwnThread(caller)
  }

  /**
   * What `make` makes of a descriptor. Blocks threads of the pool. Undefined if it cannot be opened, as
   * where the daemon has no right to, or `make` has failed.
   */
  async open<Made>(
    ino: Ino,
    { notifications, mountpoint }: { notifications: Notifications; mountpoint: string },
    make: (fd: number) => Made | Promise<Made>,
  ): Promise<Made | undefined> {
    const name = secretName('write-back')
    this.#names.set(name, ino)
    try {
      const fd = await openFile(join(mountpoint, name), FLAGS)
      try {
        return await make(fd)
      } finally {
        await closeFile(fd)
      }
    } catch {
      return undefined
    } finally {
      this.#names.delete(name)
      await notifications.dropEntry(ROOT_INO, name)
    }
  }
}
