/**
 * How this program has the kernel send what it has dirty of many files at once, and keep all of it
 * cached, attributes too. Opening a file for that costs as much as having the kernel drop it, so that is
 * done for those only that are asked for again, and behind the request that asks: opening takes the
 * kernel's lock of the root directory, which it may hold until that request is answered. Nothing waits for
 * an opening but others, and the end of the file.
 *
 * A mount with such a file is busy, as with a mapped one: `end` comes before a program that has it open
 * for writing is told that it is closed.
 */
import { FsError } from '../../errors.ts'
import type { Ino } from '../../fs/operations.ts'
import { IoRing } from './io-ring.ts'
import { Lane } from './lane.ts'
import type { Notifications } from './notifications.ts'
import type { OwnFiles } from './own-files.ts'

const SLOT_COUNT = 1024

/** Of the threads of the pool, that wait until the root directory is free. */
const OPENING_COUNT_MAX = 2

interface SyncedFile {
  /** Undefined before it is open, or if it cannot be opened. */
  slot: number | undefined
  opening: Promise<void>
}

interface Mount {
  readonly notifications: Notifications
  readonly mountpoint: string
}

export class ContentSyncs {
  readonly #ownFiles: OwnFiles
  #ring: Promise<IoRing | undefined> | undefined
  readonly #files = new Map<Ino, SyncedFile>()
  readonly #freeSlots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot)
  readonly #askedFor = new Set<Ino>()
  /** Its own, so that openings that wait hold up nothing else. */
  readonly #lane = new Lane(OPENING_COUNT_MAX)

  constructor(ownFiles: OwnFiles) {
    this.#ownFiles = ownFiles
  }

  has(ino: Ino): boolean {
    return this.#files.has(ino) || this.#askedFor.has(ino)
  }

  isReady(ino: Ino): boolean {
    return this.#files.get(ino)?.slot !== undefined
  }

  /** Opens files that were asked for before, if they are not open yet, a little later. */
  async prepare(inos: readonly Ino[], mount: Mount): Promise<void> {
    const again = inos.filter((ino) => this.#askedFor.has(ino) && !this.#files.has(ino))
    for (const ino of inos) this.#askedFor.add(ino)
    await Promise.all(again.map(async (ino) => this.#open(ino, mount)))
  }

  /**
   * Blocks a thread of the pool. Requires: they are ready. Resolves with those for which it has not
   * worked, or not for certain.
   */
  async run(inos: readonly Ino[]): Promise<readonly Ino[]> {
    const ring = await this.#ring
    const ready = inos.flatMap((ino) => {
      const slot = this.#files.get(ino)?.slot
      return slot === undefined ? [] : { ino, slot }
    })
    const errnos = await ring?.sync(ready.map(({ slot }) => slot)).catch(ignoreFailure)
    const synced = new Set(ready.filter((_, index) => errnos?.[index] === 0).map(({ ino }) => ino))
    return inos.filter((ino) => !synced.has(ino))
  }

  /** Resolves when a file that is being opened is open, or not. */
  async opened(ino: Ino): Promise<void> {
    await this.#files.get(ino)?.opening
  }

  /** Lets go of a file. Blocks a thread of the pool. */
  async end(ino: Ino): Promise<void> {
    this.#askedFor.delete(ino)
    const file = this.#files.get(ino)
    if (file === undefined) return
    this.#files.delete(ino)
    await file.opening
    if (file.slot === undefined) return
    await (await this.#ring)?.setFile(file.slot, undefined)
    this.#freeSlots.push(file.slot)
  }

  async endAll(): Promise<void> {
    await Promise.allSettled([...this.#files.keys()].map(async (ino) => this.end(ino)))
    this.#askedFor.clear()
    const ring = await this.#ring
    ring?.close()
    this.#ring = undefined
  }

  async #open(ino: Ino, mount: Mount): Promise<void> {
    const file: SyncedFile = { slot: undefined, opening: Promise.resolve() }
    this.#files.set(ino, file)
    file.opening = this.#lane.run(async () => {
      file.slot = await this.#openSlot(ino, mount)
    })
    await file.opening
  }

  /** Undefined if that is not possible. */
  async #openSlot(ino: Ino, mount: Mount): Promise<number | undefined> {
    this.#ring ??= IoRing.open(SLOT_COUNT)
    const ring = await this.#ring
    const slot = ring === undefined ? undefined : this.#freeSlots.pop()
    if (ring === undefined || slot === undefined) return undefined
    const opened = await this.#ownFiles.open(ino, mount, async (fd) => {
      await ring.setFile(slot, fd)
      return slot
    })
    if (opened === undefined) this.#freeSlots.push(slot)
    return opened
  }
}

/** The files are written back in another way then. */
function ignoreFailure(error: unknown): undefined {
  if (!(error instanceof FsError)) throw error
}
