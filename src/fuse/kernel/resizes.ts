/**
 * How this program makes the kernel believe in another size of a file. While the kernel caches
 * writes it owns the sizes of regular files and ignores what answers say. One thing it does obey:
 * a truncate(2) from above. So this program truncates the file through its own mount, by name: with
 * a descriptor it would itself be one of the writers whose end decides what becomes of a file.
 *
 *   truncate(2) in a thread of the pool
 *     LOOKUP(root, secret name)   answered with the inode; counts a reference as any lookup does
 *     GETATTR                     maybe, to check permissions
 *     SETATTR(size)               answered with what the filesystem says; does not reach it
 *   the kernel drops the pages behind the new size and takes the size over
 *   NOTIFY_INVAL_ENTRY            drops the secret name, which would keep the inode from going away
 *
 * The name serves one resize, and it counts only for threads of this process (`own-requests.ts`). The
 * SETATTR is recognised by the thread, the inode and the size.
 *
 * Races that remain:
 * - A program that extends the file between the rollback and the SETATTR loses the extension, as
 *   with any truncate(2); the one who rolls back must hold off requests to that inode.
 * - The answers to LOOKUP and GETATTR would make the kernel trust its attributes again, and a program
 *   would write by the size that is about to go. So the attributes are dropped between question and
 *   answer: the kernel ignores an answer that is older than that.
 * - LOOKUP takes the kernel's lock of the root directory. A request that changes the root directory
 *   must therefore never wait for a resize.
 * - Content that is cached before the new size stays as it is, and the last page is filled up with
 *   zeros: `invalidate` comes after `resize`.
 * - The kernel takes the moment of the truncate(2) as the file's mtime and ctime, until it has
 *   forgotten the inode or a later change is written back.
 * - A daemon that is not root needs the right to write to the file.
 */
import { join } from 'node:path'
import { FsError } from '../../errors.ts'
import type { AttributeChanges, Attributes, Awaitable, Caller, Ino } from '../../fs/operations.ts'
import type { ResizeRequests } from './edge.ts'
import { setTimes, truncatePath } from './libc.ts'
import type { Notifications } from './notifications.ts'
import { isOwnThread, secretName } from './own-requests.ts'
import { ROOT_INO } from './protocol.ts'

interface Resize {
  readonly ino: Ino
  /** Undefined while only a time is set, for which SETATTR does reach the filesystem. */
  readonly size: number | undefined
  readonly notifications: Notifications
  readonly onTaken: (() => void) | undefined
}

interface Adoption {
  readonly attributes: Attributes
  readonly isResized: boolean
  readonly notifications: Notifications
}

/** The time of change alone is to be set. */
interface Move extends Pick<Attributes, 'ino' | 'atimeNs'> {
  /** Hears what the kernel has set, and answers it. */
  readonly take: (ctimeNs: bigint) => Awaitable<Attributes>
}

type Touch = Pick<Attributes, 'ino' | 'atimeNs' | 'mtimeNs'> & Pick<Adoption, 'notifications'>

/** Longer than a thread needs from its answer to where the kernel has set the size. */
const TAKING_MS = 5

export class Resizes implements ResizeRequests {
  readonly #pending = new Map<string, Resize>()
  readonly #adoptions = new Map<Ino, Attributes>()
  readonly #moves = new Map<Ino, Move>()

  get isAny(): boolean {
    return this.#pending.size > 0
  }

  findTarget(parent: Ino, name: string, caller: Caller): Ino | undefined {
    if (this.#pending.size === 0 || parent !== ROOT_INO) return undefined
    const resize = this.#pending.get(name)
    return resize !== undefined && isOwnThread(caller) ? resize.ino : undefined
  }

  async isOwnQuestion(ino: Ino, caller: Caller): Promise<boolean> {
    const resize = this.#find(ino)
    if (resize === undefined || !isOwnThread(caller)) return false
    await resize.notifications.dropAttributes(ino)
    return true
  }

  isOurs(ino: Ino, size: number | undefined, caller: Caller): boolean {
    const resize = this.#find(ino)
    if (resize?.size === undefined || resize.size !== size || !isOwnThread(caller)) return false
    if (resize.onTaken !== undefined) setTimeout(resize.onTaken, TAKING_MS)
    return true
  }

  adopted(ino: Ino, changes: AttributeChanges, caller: Caller): Awaitable<Attributes> | undefined {
    const move = this.#moves.get(ino)
    const { size, mtime, ctime } = changes
    if (move !== undefined && ctime !== undefined && isMove(changes, move) && isOwnThread(caller)) {
      return move.take(ctime)
    }
    const attributes = this.#adoptions.get(ino)
    if (attributes === undefined || !isOwnThread(caller)) return undefined
    const isIt = size === undefined ? mtime === attributes.mtimeNs : size === attributes.size
    return isIt ? attributes : undefined
  }

  #find(ino: Ino): Resize | undefined {
    if (this.#pending.size === 0) return undefined
    return [...this.#pending.values()].find(
      (resize) => resize.ino === ino && resize.size !== undefined,
    )
  }

  /** Truncates an inode through the mount. Blocks a thread of the pool. */
  async run(resize: Resize & { readonly size: number }, mountpoint: string): Promise<void> {
    await this.#withName(resize, async (name) => truncate(join(mountpoint, name), resize.size))
  }

  /**
   * Makes the kernel take a size, as `run` does, and the time of the modification, by the same way with
   * utimensat(2).
   */
  async adopt(
    { attributes, isResized, notifications }: Adoption,
    mountpoint: string,
  ): Promise<void> {
    const { ino, size, atimeNs, mtimeNs } = attributes
    this.#adoptions.set(ino, attributes)
    try {
      await this.#withName({ ino, size, notifications, onTaken: undefined }, async (name) => {
        const path = join(mountpoint, name)
        if (isResized) await truncate(path, size)
        const errno = await setTimes(path, atimeNs, mtimeNs)
        if (errno !== 0) throw new FsError('EIO', `utimensat(2) has failed with errno ${errno}`)
      })
    } finally {
      this.#adoptions.delete(ino)
    }
  }

  /**
   * Sets times through the mount as any program could, so that they reach the filesystem: the kernel may
   * send older ones before.
   */
  async touch({ ino, atimeNs, mtimeNs, notifications }: Touch, mountpoint: string): Promise<void> {
    const entry = { ino, size: undefined, notifications, onTaken: undefined }
    await this.#withName(entry, async (name) => {
      await setTimes(join(mountpoint, name), atimeNs, mtimeNs)
    })
  }

  /** Has the kernel set the time of change: by utimensat(2) that sets the time of access to what it is. */
  async move(move: Move, notifications: Notifications, mountpoint: string): Promise<void> {
    const entry = { ino: move.ino, size: undefined, notifications, onTaken: undefined }
    this.#moves.set(move.ino, move)
    try {
      await this.#withName(entry, async (name) => {
        await setTimes(join(mountpoint, name), move.atimeNs, undefined)
      })
    } finally {
      this.#moves.delete(move.ino)
    }
  }

  async #withName(resize: Resize, work: (name: string) => Promise<void>): Promise<void> {
    const name = secretName('resize')
    this.#pending.set(name, resize)
    try {
      await work(name)
    } finally {
      this.#pending.delete(name)
      await resize.notifications.dropEntry(ROOT_INO, name)
    }
  }
}

function isMove({ atime, mtime, size }: AttributeChanges, { atimeNs }: Move): boolean {
  return atime === atimeNs && mtime === undefined && size === undefined
}

async function truncate(path: string, size: number): Promise<void> {
  const errno = await truncatePath(path, size)
  if (errno !== 0) throw new FsError('EIO', `truncate(2) has failed with errno ${errno}`)
}
