import { FsError } from '../../errors.ts'
import type { Attributes, FilesystemOperations, Ino } from '../../fs/operations.ts'
import { ROOT_INO } from '../kernel/protocol.ts'
import type { HeldInodes } from './held-inodes.ts'
import type { HiddenFiles } from './hidden-files.ts'

/** A name in a directory, which may lead to something or not. */
export interface Place {
  readonly parent: Ino
  readonly name: string
}

/** libfuse 2 speaks in paths; this follows them name by name. Paths are byte strings. */
export class Paths {
  readonly #filesystem: FilesystemOperations
  readonly #held: HeldInodes
  readonly #hidden: HiddenFiles

  constructor(filesystem: FilesystemOperations, held: HeldInodes, hidden: HiddenFiles) {
    this.#filesystem = filesystem
    this.#held = held
    this.#hidden = hidden
  }

  /** Throws FsError ENOENT. */
  async ino(path: string): Promise<Ino> {
    return (await this.resolve(path)).ino
  }

  /** What a path leads to, and whether by a hidden name. Throws FsError ENOENT. */
  async resolve(path: string): Promise<{ readonly ino: Ino; readonly isHidden: boolean }> {
    if (path === '/') return { ino: ROOT_INO, isHidden: false }
    const { parent, name } = await this.place(path)
    const hidden = this.#hidden.find(parent, name)
    if (hidden !== undefined) return { ino: hidden, isHidden: true }
    return { ino: (await this.#step(parent, name)).ino, isHidden: false }
  }

  /** Throws FsError ENOENT for a directory on the way that is missing. */
  async place(path: string): Promise<Place> {
    const names = path.split('/').slice(1)
    const name = names.pop() ?? ''
    let parent: Ino = ROOT_INO
    for (const each of names) parent = (await this.#step(parent, each)).ino
    return { parent, name }
  }

  /** What a name leads to, if anything. */
  async find({ parent, name }: Place): Promise<Attributes | undefined> {
    const found = await this.#filesystem.lookup(parent, name)
    if (found !== undefined) this.#held.take(found.ino)
    return found
  }

  async #step(parent: Ino, name: string): Promise<Attributes> {
    const found = await this.find({ parent, name })
    if (found === undefined) throw new FsError('ENOENT', `"${name}" does not exist`)
    return found
  }
}
