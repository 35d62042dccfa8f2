/**
 * How this program has the kernel send what it has dirty of many files at once, and keep all of it
 * cached, attributes too. Opening a file for that costs as much as having the kernel drop it, so that is
 * done for those only that are asked for again. A mount with such a file is busy, as with a mapped one:
 * `end` comes before a program that has it open for writing is told that it is closed.
 */
import { FsError } from '../../errors.ts'
import type { Ino } from '../../fs/operations.ts'
import { IoRing } from './io-ring.ts'
import type { Notifications } from './notifications.ts'
import type { OwnFiles } from './own-files.ts'

const SLOT_COUNT = 1024

interface Mount {
  readonly notifications: Notifications
  readonly mountpoint: string
}

export class ContentSyncs {
  readonly #ownFiles: OwnFiles
  #ring: Promise<IoRing | undefined> | undefined
  readonly #slots = new Map<Ino, Promise<number | undefined>>()
  readonly #freeSlots = Array.from({ length: SLOT_COUNT }, (_, slot) => slot)
  readonly #askedFor = new Set<Ino>()

  constructor(ownFiles: OwnFiles) {
    this.#ownFiles = ownFiles
  }

  has(ino: Ino): boolean {
    return this.#slots.has(ino) || this.#askedFor.has(ino)
  }

  /** Whether a file is open for it; opens it if it was asked for before. Blocks threads of the pool. */
  async isReady(ino: Ino, mount: Mount): Promise<boolean> {
    const known = this.#slots.get(ino)
    if (known !== undefined) return (await known) !== undefined
    if (!this.#askedFor.has(ino)) {
      this.#askedFor.add(ino)
      return false
    }
    const opening = this.#open(ino, mount)
    this.#slots.set(ino, opening)
    return (await opening) !== undefined
  }

  /**
   * Blocks a thread of the pool. Requires: they are ready. Resolves with those for which it has not
   * worked, or not for certain.
   */
  async run(inos: readonly Ino[]): Promise<readonly Ino[]> {
    const ring = await this.#ring
    const slots = await Promise.all(inos.map(async (ino) => this.#slots.get(ino)))
    const ready = inos.flatMap((ino, index) => {
      const slot = slots[index]
      return slot === undefined ? [] : { ino, slot }
    })
    const errnos = await ring?.sync(ready.map(({ slot }) => slot)).catch(ignoreFailure)
    const synced = new Set(ready.filter((_, index) => errnos?.[index] === 0).map(({ ino }) => ino))
    return inos.filter((ino) => !synced.has(ino))
  }

  /** Lets go of a file. Blocks a thread of the pool. */
  async end(ino: Ino): Promise<void> {
    this.#askedFor.delete(ino)
    const opening = this.#slots.get(ino)
    if (opening === undefined) return
    this.#slots.delete(ino)
    const slot = await opening
    if (slot === undefined) return
    await (await this.#ring)?.setFile(slot, undefined)
    this.#freeSlots.push(slot)
  }

  async endAll(): Promise<void> {
    await Promise.allSettled([...this.#slots.keys()].map(async (ino) => this.end(ino)))
    this.#askedFor.clear()
    const ring = await this.#ring
    ring?.close()
    this.#ring = undefined
  }

  async #open(ino: Ino, mount: Mount): Promise<number | undefined> {
    this.#ring ??= IoRing.open(SLOT_COUNT)
    const ring = await this.#ring
    if (ring === undefined) return undefined
    const slot = this.#freeSlots.pop()
    if (slot === undefined) return undefined
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
