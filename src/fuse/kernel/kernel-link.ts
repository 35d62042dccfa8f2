import { closeSync } from 'node:fs'
import { FsError, invariant } from '../../errors.ts'
import type { Attributes, Awaitable, Ino, KernelCache, ResizeHow } from '../../fs/operations.ts'
import { ContentSyncs } from './content-syncs.ts'
import { Lane, poolThreadCount } from './lane.ts'
import { dup, isInError, lastErrno } from './libc.ts'
import { Notifications } from './notifications.ts'
import { OwnFiles } from './own-files.ts'
import { Resizes } from './resizes.ts'
import { WriteBacks } from './write-backs.ts'

/** Of the pool's threads half are left for the answers. */
const blockedThreadCountMax = (): number =>
  Math.max(1, Math.floor(poolThreadCount(process.env['UV_THREADPOOL_SIZE']) / 2))

interface Connection {
  readonly fd: number
  readonly notifications: Notifications
  readonly mountpoint: string
  readonly writebackCache: boolean
}

/**
 * The kernel's cache, as the filesystem sees it. It is made before the filesystem, which needs it,
 * and connected when the session starts; without a connection nothing is cached and nothing is to
 * be done.
 */
export class KernelLink implements KernelCache {
  readonly resizes = new Resizes()
  readonly ownFiles = new OwnFiles()
  readonly #writeBacks = new WriteBacks(this.ownFiles)
  readonly #contentSyncs = new ContentSyncs(this.ownFiles)
  readonly #lane = new Lane(blockedThreadCountMax())
  #connection: Connection | undefined
  #hasEnded = false
  readonly #underWay = new Set<Promise<void>>()

  async invalidate(ino: Ino): Promise<void> {
    await this.#collect(async ({ notifications }) => {
      await notifications.dropInode(ino)
    })
  }

  async dropRange(ino: Ino, offset: number, lengthBytes: number): Promise<void> {
    await this.#run(async ({ notifications }) => {
      await notifications.dropRange(ino, offset, lengthBytes)
    })
  }

  async writeBack(ino: Ino): Promise<void> {
    await this.#collect(async ({ notifications, mountpoint }) => {
      await this.#writeBacks.run(ino, notifications, mountpoint)
    })
  }

  async collect(inos: readonly Ino[]): Promise<void> {
    const ready = inos.filter((ino) => this.#contentSyncs.isReady(ino))
    const others = inos.filter((ino) => !this.#contentSyncs.isReady(ino))
    await Promise.all(others.map(async (ino) => this.invalidate(ino)))
    if (ready.length > 0) {
      let rest: readonly Ino[] = []
      await this.#collect(async () => {
        rest = await this.#contentSyncs.run(ready)
      })
      await Promise.all(rest.map(async (ino) => this.invalidate(ino)))
    }
    if (others.length > 0 && this.#connection !== undefined) {
      this.#follow(this.#contentSyncs.prepare(others, this.#connection))
    }
  }

  async endWriteBacks(ino: Ino): Promise<void> {
    if (!this.#writeBacks.has(ino) && !this.#contentSyncs.has(ino)) return
    // Not in the lane, which what it waits for may need.
    await this.#contentSyncs.opened(ino)
    await this.#run(async () => {
      await this.#writeBacks.end(ino)
      await this.#contentSyncs.end(ino)
    })
  }

  async dropName(parent: Ino, name: string): Promise<void> {
    await this.#run(async ({ notifications }) => {
      await notifications.dropEntry(parent, name)
    })
  }

  async resize(ino: Ino, size: number, { lastByte, onTaken }: ResizeHow = {}): Promise<void> {
    await this.#run(async ({ notifications, mountpoint, writebackCache }) => {
      if (!writebackCache) await notifications.dropAttributes(ino)
      else if (lastByte !== undefined) await notifications.store(ino, size - 1, lastByte)
      else await this.resizes.run({ ino, size, notifications, onTaken }, mountpoint)
    })
  }

  get ownsAttributes(): boolean {
    return this.#connection?.writebackCache === true
  }

  async adopt(attributes: Attributes, isResized: boolean): Promise<void> {
    await this.#run(async ({ notifications, mountpoint }) => {
      await this.resizes.adopt({ attributes, isResized, notifications }, mountpoint)
    })
  }

  dropAttributes(ino: Ino): void {
    this.#connection?.notifications.dropAttributesNow(ino)
  }

  async dropAttributesLater(ino: Ino): Promise<void> {
    await this.#run(async ({ notifications }) => {
      await notifications.dropAttributes(ino)
    })
  }

  async touch(attributes: Pick<Attributes, 'ino' | 'atimeNs' | 'mtimeNs'>): Promise<void> {
    await this.#run(async ({ notifications, mountpoint, writebackCache }) => {
      if (writebackCache) await this.resizes.touch({ ...attributes, notifications }, mountpoint)
      else await notifications.dropAttributes(attributes.ino)
    })
  }

  async moveChangeTime(
    { ino, atimeNs }: Pick<Attributes, 'ino' | 'atimeNs'>,
    take: (ctimeNs: bigint) => Awaitable<Attributes>,
  ): Promise<void> {
    await this.#run(async ({ notifications, mountpoint }) => {
      await this.resizes.move({ ino, atimeNs, take }, notifications, mountpoint)
    })
  }

  /** For the session: the device is mounted, and the kernel has agreed on its features. */
  connect(deviceFd: number, mountpoint: string, writebackCache: boolean): void {
    invariant(this.#connection === undefined, 'a link serves one session at a time')
    // A descriptor of our own stays good for a thread that still writes when the session ends.
    const fd = dup(deviceFd)
    if (fd < 0)
      throw new FsError('EIO', `Cannot duplicate a descriptor: errno ${String(lastErrno())}`)
    const notifications = new Notifications(fd)
    this.#connection = { fd, notifications, mountpoint, writebackCache }
  }

  /** For the session: the connection has ended. Resolves when nothing uses it any more. */
  async disconnect(): Promise<void> {
    const connection = this.#connection
    if (connection === undefined) return
    this.#connection = undefined
    this.#hasEnded = true
    await Promise.allSettled(this.#underWay)
    await this.#writeBacks.endAll()
    await this.#contentSyncs.endAll()
    closeSync(connection.fd)
  }

  /**
   * Does what has the kernel send all that it has. If the connection is cut in the middle of that, nobody
   * hears that a part of it never came: Linux drops what it cannot send, and calls it done. What comes
   * behind must not take that for the whole.
   */
  async #collect(work: (connection: Connection) => Promise<void>): Promise<void> {
    const fd = this.#connection?.fd
    if (fd !== undefined) await this.#run(work)
    if (this.#hasEnded || (fd !== undefined && isInError(fd))) {
      throw new FsError(
        'ENOTCONN',
        'The mount has ended, and what the kernel had cached may be lost',
      )
    }
  }

  async #run(work: (connection: Connection) => Promise<void>): Promise<void> {
    const running = this.#lane.run(async () => {
      if (this.#connection !== undefined) await work(this.#connection)
    })
    this.#follow(running)
    try {
      await running
    } catch (error) {
      if (this.#connection !== undefined) throw error
      // The mount is gone, and its cache with it.
    }
  }

  /** Has the end of the connection wait for it. */
  #follow(work: Promise<void>): void {
    const over = work
      .catch(() => undefined)
      .finally(() => {
        this.#underWay.delete(over)
      })
    this.#underWay.add(over)
  }
}
