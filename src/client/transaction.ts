/** An update of one file that is published or dropped as a whole, whatever the file is opted in to. */
import { type FileHandle, open } from 'node:fs/promises'
import { assertOatomic } from './attributes.ts'
import { OatomicError, failure } from './error.ts'
import { control } from './libc.ts'

/** Numbers of Linux's <linux/f2fs.h>, which SQLite uses as well. */
const START_ATOMIC_WRITE = 0xf501
const COMMIT_ATOMIC_WRITE = 0xf502
const ABORT_ATOMIC_WRITE = 0xf505

const NOTHING = Buffer.alloc(8)

export class Transaction implements AsyncDisposable {
  readonly path: string
  /** For reading and writing the file; it is closed when the transaction ends. */
  readonly file: FileHandle
  #isOver = false

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.file = file
  }

  /** Throws OatomicError. */
  static async begin(path: string): Promise<Transaction> {
    await assertOatomic(path)
    const file = await open(path, 'r+')
    try {
      await call(file, START_ATOMIC_WRITE, 'begin', path)
      return new Transaction(path, file)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Makes what was written the file's content, durably. Throws OatomicError; EBUSY leaves everything
   * as it is, and the transaction is dropped then.
   */
  async publish(): Promise<void> {
    await this.#end(COMMIT_ATOMIC_WRITE, 'publish')
  }

  /** Drops what was written. */
  async discard(): Promise<void> {
    await this.#end(ABORT_ATOMIC_WRITE, 'discard')
  }

  /** Discards, unless it is over: with `await using` an error in the middle leaves the old file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) await this.discard()
  }

  async #end(command: number, what: string): Promise<void> {
    if (this.#isOver) {
      throw new OatomicError(
        'EINVAL',
        `Cannot ${what} "${this.path}": its update is over`,
        this.path,
      )
    }
    this.#isOver = true
    try {
      await call(this.file, command, what, this.path)
    } finally {
      // Closing drops what could not be published.
      await this.file.close()
    }
  }
}

/** Begins an update of a file. Throws OatomicError; NotOatomicError on another filesystem. */
export async function begin(path: string): Promise<Transaction> {
  return Transaction.begin(path)
}

async function call(file: FileHandle, command: number, what: string, path: string): Promise<void> {
  const result = await control(file.fd, command, NOTHING)
  if (result < 0) throw failure(`${what} an update of "${path}"`, -result, path)
}
