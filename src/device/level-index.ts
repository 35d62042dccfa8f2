/** The index in LevelDB. */
import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { FsError } from '../errors.ts'
import type { Ballast } from './ballast.ts'
import type { Index, IndexOp, IndexPage } from './device.ts'
import { hostError, onHost } from './host-error.ts'
import { OneBatch } from './one-batch.ts'
import type { LevelDatabase, LockedLevel } from './open-level.ts'

const fsyncAsync = promisify(fsync)

/** How much a scan fetches at once. */
const SCAN_COUNT = 1000
const SCAN_BYTES = 1024 * 1024

const SYNCED = { sync: true }

export interface LevelIndexOptions {
  readonly path: string
  readonly isReadOnly: boolean
  readonly ballast: Ballast
}

export class LevelIndex implements Index {
  readonly #level: LockedLevel
  readonly #options: LevelIndexOptions
  readonly #folder: number
  readonly #oneBatch = new OneBatch()

  constructor(level: LockedLevel, options: LevelIndexOptions) {
    this.#level = level
    this.#options = options
    this.#folder = onHost('open', options.path, () => openSync(options.path, 'r'))
  }

  get hasSpace(): boolean {
    return this.#options.ballast.hasSpace()
  }

  /** Where its files are. */
  get path(): string {
    return this.#options.path
  }

  /** What was found damaged when it was opened, if anything. */
  get damage(): string | undefined {
    const [first] = this.#level.damage
    if (first === undefined) return undefined
    return `file "${first.name}" of the index, offset ${first.offset}: ${first.what}`
  }

  get(key: string): Uint8Array | undefined {
    return onHost('read', this.#options.path, () =>
      this.#level.database.getSync(Buffer.from(key, 'latin1')),
    )
  }

  pages(from: string, to: string): AsyncIterable<IndexPage> {
    if (from >= to) return nothing()
    // Made here, not at the first step: it shows the index as of now.
    const iterator = onHost('read', this.#options.path, () => scan(this.#level.database, from, to))
    return pagesOf(iterator, this.#options.path)
  }

  async batch(operations: readonly IndexOp[]): Promise<void> {
    const { path, isReadOnly, ballast } = this.#options
    if (isReadOnly) throw new FsError('EROFS', `Cannot write "${path}": opened read-only`)
    await this.#oneBatch.run(async () => {
      try {
        ballast.tend()
        await write(this.#level.database, operations)
        // A batch may have begun a new log; its name must be durable too.
        await fsyncAsync(this.#folder)
      } catch (error) {
        throw hostError('write', path, error)
      }
    })
  }

  async close(): Promise<void> {
    await this.#level.close()
    closeSync(this.#folder)
  }
}

type Scan = ReturnType<typeof scan>

function scan(database: LevelDatabase, from: string, to: string) {
  const options = {
    gte: Buffer.from(from, 'latin1'),
    lt: Buffer.from(to, 'latin1'),
    highWaterMarkBytes: SCAN_BYTES,
    fillCache: false,
  }
  return database.iterator(options)
}

async function* pagesOf(iterator: Scan, path: string): AsyncGenerator<IndexPage> {
  try {
    for (;;) {
      const entries = await iterator.nextv(SCAN_COUNT)
      if (entries.length === 0) return
      yield entries.map(([key, value]) => [key.toString('latin1'), value] as const)
    }
  } catch (error) {
    throw hostError('read', path, error)
  } finally {
    await iterator.close()
  }
}

async function* nothing(): AsyncGenerator<IndexPage> {
  // An empty range.
}

function write(database: LevelDatabase, operations: readonly IndexOp[]): Promise<void> {
  const batch = database.batch()
  for (const operation of operations) {
    const key = Buffer.from(operation.key, 'latin1')
    if (operation.type === 'put') batch.put(key, operation.value)
    else batch.del(key)
  }
  return batch.write(SYNCED)
}
