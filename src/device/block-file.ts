/**
 * The file `blocks`, open up to three times: through the host's cache; past it; and past it with
 * each write durable on its return. Where the host refuses direct I/O the first does it all.
 */
import { constants, fdatasyncSync, fstatSync, ftruncateSync, openSync } from 'node:fs'
import { FsError } from '../errors.ts'
import {
  closeAsync,
  fdatasyncAsync,
  readAll,
  readAllAsync,
  writeAll,
  writeAllAsync,
} from './file-io.ts'
import { codeOf, hostError, onHost } from './host-error.ts'
import { fallocate } from './host.ts'
import { readSuperblockCopy } from './superblock-copies.ts'

const { O_RDONLY, O_RDWR, O_DIRECT, O_DSYNC } = constants

export class BlockFile {
  readonly path: string
  readonly #isReadOnly: boolean
  readonly #cached: number
  readonly #direct: number | undefined
  readonly #durable: number | undefined
  readonly #underWay = new Set<Promise<void>>()

  constructor(path: string, isReadOnly: boolean) {
    this.path = path
    this.#isReadOnly = isReadOnly
    this.#cached = onHost('open', path, () => openSync(path, isReadOnly ? O_RDONLY : O_RDWR))
    this.#direct = openDirect(path, (isReadOnly ? O_RDONLY : O_RDWR) | O_DIRECT)
    this.#durable = isReadOnly ? undefined : openDirect(path, O_RDWR | O_DIRECT | O_DSYNC)
  }

  sizeBytes(): number {
    return onHost('stat', this.path, () => fstatSync(this.#cached).size)
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return readSuperblockCopy(this.#cached, this.path, copy)
  }

  read(position: number, target: Uint8Array): void {
    onHost('read', this.path, () => {
      readAll(this.#cached, target, position)
    })
  }

  /**
   * Reads what the disk holds, where the host can: after a failed write its cache goes on showing what
   * never got there. `target` is page-aligned memory.
   */
  readStored(position: number, target: Uint8Array): void {
    onHost('read', this.path, () => {
      if (this.#direct !== undefined) {
        try {
          readAll(this.#direct, target, position)
          return
        } catch (error) {
          if (codeOf(error) !== 'EINVAL') throw error
        }
      }
      readAll(this.#cached, target, position)
    })
  }

  readAsync(position: number, target: Uint8Array): Promise<void> {
    return this.#run('read', () => readAllAsync(this.#cached, target, position))
  }

  /** Reads past the host's cache, where the host can. `target` is page-aligned. */
  readDirect(position: number, target: Uint8Array): Promise<void> {
    return this.#run('read', async () => {
      if (await tryReadDirect(this.#direct, target, position)) return
      await readAllAsync(this.#cached, target, position)
    })
  }

  write(position: number, data: Uint8Array): void {
    this.#checkWritable()
    onHost('write', this.path, () => {
      writeAll(this.#cached, data, position)
    })
  }

  writeDirect(position: number, data: Uint8Array): Promise<void> {
    return this.#run('write', async () => {
      this.#checkWritable()
      if (await tryDirect(this.#direct, data, position)) return
      await writeAllAsync(this.#cached, data, position)
    })
  }

  writeDurable(position: number, data: Uint8Array): Promise<void> {
    return this.#run('write', async () => {
      this.#checkWritable()
      if (await tryDirect(this.#durable, data, position)) return
      await writeAllAsync(this.#cached, data, position)
      await fdatasyncAsync(this.#cached)
    })
  }

  /** The same on this thread; false where the host refuses direct I/O. */
  writeDurableNow(position: number, data: Uint8Array): boolean {
    this.#checkWritable()
    if (this.#durable === undefined) return false
    try {
      writeAll(this.#durable, data, position)
      return true
    } catch (error) {
      if (codeOf(error) === 'EINVAL') return false
      throw hostError('write', this.path, error)
    }
  }

  flushNow(): void {
    onHost('flush', this.path, () => {
      fdatasyncSync(this.#cached)
    })
  }

  flush(): Promise<void> {
    return this.#run('flush', () => fdatasyncAsync(this.#cached))
  }

  /** Makes the file larger, durably, with its space allocated; or throws, and it is as it was. */
  extend(sizeBytes: number): void {
    this.#checkWritable()
    const before = this.sizeBytes()
    onHost('extend', this.path, () => {
      try {
        fallocate(this.#cached, before, sizeBytes - before)
      } catch (error) {
        ftruncateSync(this.#cached, before)
        throw error
      }
      fdatasyncSync(this.#cached)
    })
  }

  /** Waits for what is under way: a closed descriptor's number is soon another file's. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay)
    for (const fd of [this.#cached, this.#direct, this.#durable]) {
      if (fd !== undefined) await closeAsync(fd)
    }
  }

  #checkWritable(): void {
    if (this.#isReadOnly)
      throw new FsError('EROFS', `Cannot write "${this.path}": opened read-only`)
  }

  async #run(operation: string, work: () => Promise<void>): Promise<void> {
    const running = work()
    this.#underWay.add(running)
    try {
      await running
    } catch (error) {
      throw hostError(operation, this.path, error)
    } finally {
      this.#underWay.delete(running)
    }
  }
}

/** A descriptor for direct I/O, which tmpfs and some others do not have. */
function openDirect(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags)
  } catch (error) {
    if (codeOf(error) === 'EINVAL') return undefined
    throw hostError('open', path, error)
  }
}

/** Whether it was written; the host may refuse a direct write that its file took to be possible. */
async function tryDirect(
  fd: number | undefined,
  data: Uint8Array,
  position: number,
): Promise<boolean> {
  if (fd === undefined) return false
  try {
    await writeAllAsync(fd, data, position)
    return true
  } catch (error) {
    if (codeOf(error) === 'EINVAL') return false
    throw error
  }
}

/** Whether the host reads directly, and did. */
async function tryReadDirect(
  fd: number | undefined,
  target: Uint8Array,
  position: number,
): Promise<boolean> {
  if (fd === undefined) return false
  try {
    await readAllAsync(fd, target, position)
    return true
  } catch (error) {
    if (codeOf(error) === 'EINVAL') return false
    throw error
  }
}
