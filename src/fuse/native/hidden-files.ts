/**
 * Files that libfuse has hidden. When an open file loses its name, to unlink(2) or because another is
 * renamed over it, libfuse 2 renames it first, to `.fuse_hidden` and 16 digits in the same directory,
 * so that there is a path for those who have it open; it unlinks that when nobody has. On the volume
 * there are no such names: the file is removed, or replaced by the rename that follows, in one commit
 * as ever, and the hidden name is one in memory that leads to the inode. So nothing of it is left after a
 * crash, and nobody but libfuse sees it.
 */
import type { FilesystemOperations, Ino } from '../../fs/operations.ts'

const NAME = /^\.fuse_hidden[0-9a-f]{16}$/

export const isHiddenName = (name: string): boolean => NAME.test(name)

export class HiddenFiles {
  readonly #filesystem: FilesystemOperations
  readonly #byParent = new Map<Ino, Map<string, Ino>>()

  constructor(filesystem: FilesystemOperations) {
    this.#filesystem = filesystem
  }

  find(parent: Ino, name: string): Ino | undefined {
    return this.#byParent.get(parent)?.get(name)
  }

  /** Takes over a reference to `ino`. */
  add(parent: Ino, name: string, ino: Ino): void {
    const names = this.#byParent.get(parent) ?? new Map<string, Ino>()
    this.#byParent.set(parent, names.set(name, ino))
  }

  /** Whether there was such a name. Nobody has the file open any more, so it may go. */
  remove(parent: Ino, name: string): boolean {
    const names = this.#byParent.get(parent)
    const ino = names?.get(name)
    if (names === undefined || ino === undefined) return false
    names.delete(name)
    if (names.size === 0) this.#byParent.delete(parent)
    this.#filesystem.forget(ino, 1)
    return true
  }

  /**
   * Whether libfuse needs this directory for the path of an open file. It has none for a file in a
   * directory that was removed, and then could not even close it.
   */
  isNeeded(directory: Ino): boolean {
    return this.#byParent.has(directory)
  }
}
