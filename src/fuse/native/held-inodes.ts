import type { FilesystemOperations, Ino } from '../../fs/operations.ts'

const HELD_COUNT_MAX = 1024

/**
 * References to the inodes that paths have led to lately, one to each, so that the filesystem keeps
 * them in memory. Whoever takes the last name of an inode drops it here.
 */
export class HeldInodes {
  readonly #filesystem: FilesystemOperations
  /** In the order of use. */
  readonly #held = new Set<Ino>()

  constructor(filesystem: FilesystemOperations) {
    this.#filesystem = filesystem
  }

  /** Takes over a reference that the filesystem has just counted. */
  take(ino: Ino): void {
    if (this.#held.delete(ino)) this.#filesystem.forget(ino, 1)
    this.#held.add(ino)
    if (this.#held.size <= HELD_COUNT_MAX) return
    const [oldest] = this.#held
    if (oldest !== undefined) this.drop(oldest)
  }

  drop(ino: Ino): void {
    if (this.#held.delete(ino)) this.#filesystem.forget(ino, 1)
  }
}
