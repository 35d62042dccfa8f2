/** Folder transactions, as a program asks for them: ioctls on a descriptor of the folder. */
import { closeSync, constants, openSync } from 'node:fs'
import koffi from 'koffi'
import { FsError } from '../errors.ts'
import { FOLDER_COMMIT, FOLDER_COPY, FOLDER_COPY_SIZE } from '../fs/folder-ioctl.ts'
import { libcFailure } from './libc-failure.ts'

const ioctl = koffi.load('libc.so.6').func('int ioctl(int, unsigned long, ...)') as (
  fd: number,
  command: number,
  type: 'void *',
  data: Uint8Array,
) => number

/** One transaction; it is over when it is closed, or this process ends. */
export class FolderCall {
  readonly #fd: number
  readonly #path: string

  /** Throws the error of open(2). */
  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  }

  /** Copies a little more; returns the secret name when the copy is whole. Throws FsError. */
  copy(): string | undefined {
    const answer = Buffer.alloc(FOLDER_COPY_SIZE)
    this.#call(FOLDER_COPY, answer)
    if (answer.readUInt32LE(0) === 0) return undefined
    return answer.toString('latin1', 8, 8 + answer.readUInt32LE(4))
  }

  /** Puts the copy in the place of the folder, durably. Throws FsError. */
  commit(): void {
    this.#call(FOLDER_COMMIT, Buffer.alloc(FOLDER_COPY_SIZE))
  }

  close(): void {
    closeSync(this.#fd)
  }

  #call(command: number, data: Uint8Array): void {
    for (;;) {
      if (ioctl(this.#fd, command, 'void *', data) === 0) return
      const error = libcFailure(`Cannot change "${this.#path}"`)
      // A signal came before the daemon had seen the request.
      if (!(error instanceof FsError && error.code === 'EINTR')) throw error
    }
  }
}
