import { FsError } from '../../errors.ts'
import type { FileHandle, Ino } from '../../fs/operations.ts'

/** An open file or directory. */
export interface NativeHandle {
  readonly fh: FileHandle
  readonly ino: Ino
}

/** The addon passes 31 bits of a handle and takes 0 for none. */
const NUMBER_MAX = 0x7fff_ffff

/** Gives open files and directories numbers that fit through the addon. */
export class Handles {
  readonly #open = new Map<number, NativeHandle>()
  #last = 0

  add(handle: NativeHandle): number {
    do this.#last = this.#last === NUMBER_MAX ? 1 : this.#last + 1
    while (this.#open.has(this.#last))
    this.#open.set(this.#last, handle)
    return this.#last
  }

  /** Throws FsError EBADF. */
  get(number: number): NativeHandle {
    const handle = this.#open.get(number)
    if (handle === undefined) throw new FsError('EBADF', `Handle ${number} is not open`)
    return handle
  }

  remove(number: number): NativeHandle {
    const handle = this.get(number)
    this.#open.delete(number)
    return handle
  }
}
