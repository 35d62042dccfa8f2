/**
 * Keys and values as of the last commit: what the index holds, with everything on top that was
 * committed since the last checkpoint. A checkpoint captures the layer on top, makes it durable
 * with one batch, and then drops it.
 *
 * Every value in the index carries a checksum over key and body, because LevelDB does not verify
 * its own on reading.
 */
import { ByteReader } from '../bytes.ts'
import { crc32c, crc32cOfText } from '../crc32c.ts'
import type { Index, IndexOp } from '../device/device.ts'
import { FsError, invariant } from '../errors.ts'
import { GROUP_LENGTH, prefixEnd } from './keys.ts'
import { ValueCache } from './value-cache.ts'

const VALUE_VERSION = 1
const VALUE_HEADER_SIZE = 5

/** Body, or null for a deleted key; by group and the rest of the key. */
type Layer = Map<string, Map<string, Uint8Array | null>>

function valueChecksum(key: string, value: Uint8Array): number {
  return crc32c(value.subarray(4), crc32cOfText(key))
}

/** Wraps a body as it stands in the index. */
export function sealValue(key: string, body: Uint8Array): Uint8Array {
  const value = Buffer.allocUnsafe(VALUE_HEADER_SIZE + body.length)
  value.writeUInt8(VALUE_VERSION, 4)
  value.set(body, VALUE_HEADER_SIZE)
  value.writeUInt32LE(valueChecksum(key, value), 0)
  return value
}

/** Checks and unwraps a value. Throws FsError EIO that names the key. */
export function openValue(key: string, value: Uint8Array): Uint8Array {
  const input = new ByteReader(value)
  if (value.length < VALUE_HEADER_SIZE || input.u32() !== valueChecksum(key, value)) {
    const shown = Buffer.from(key, 'latin1').toString('hex')
    throw new FsError('EIO', `Cannot read key ${shown} of the index: its checksum is wrong`)
  }
  const version = input.u8()
  if (version !== VALUE_VERSION) {
    throw new FsError('EIO', `Cannot read the index: a value has version ${version}`)
  }
  return value.subarray(VALUE_HEADER_SIZE)
}

export interface ScanOptions {
  readonly from?: string
  readonly limit?: number
  /** Told of values that are damaged, which are left out; without it the first of them is thrown. */
  readonly onDamaged?: (key: string) => void
}

type Entry = readonly [key: string, body: Uint8Array]

interface Visit {
  readonly from: string
  readonly onDamaged: ScanOptions['onDamaged']
  /** Returns whether more is wanted. */
  readonly take: (key: string, body: Uint8Array) => boolean
}

function openOrReport(
  key: string,
  value: Uint8Array,
  onDamaged: ScanOptions['onDamaged'],
): Uint8Array | undefined {
  try {
    return openValue(key, value)
  } catch (error) {
    if (!(error instanceof FsError) || onDamaged === undefined) throw error
    onDamaged(key)
    return undefined
  }
}

export class Metadata {
  private readonly index: Index
  private readonly cache = new ValueCache((key) => this.read(key))
  private pending: Layer = new Map()
  /** What a checkpoint under way is making durable. */
  private captured: Layer = new Map()
  pendingCount = 0

  constructor(index: Index) {
    this.index = index
  }

  get(key: string): Uint8Array | undefined {
    const newer = this.newer(key)
    return newer === undefined ? this.read(key) : (newer ?? undefined)
  }

  /** The same through a cache: for keys that nothing but `put` and `del` changes. */
  getCached(key: string): Uint8Array | undefined {
    const newer = this.newer(key)
    return newer === undefined ? this.cache.get(key) : (newer ?? undefined)
  }

  /** What lies on top of the index; undefined where that has the last word. */
  private newer(key: string): Uint8Array | null | undefined {
    const group = key.slice(0, GROUP_LENGTH)
    const rest = key.slice(GROUP_LENGTH)
    const pending = this.pending.get(group)?.get(rest)
    // A key that was deleted since is null.
    return pending === undefined ? this.captured.get(group)?.get(rest) : pending
  }

  private read(key: string): Uint8Array | undefined {
    const value = this.index.get(key)
    return value === undefined ? undefined : openValue(key, value)
  }

  put(key: string, body: Uint8Array): void {
    this.set(key, body)
  }

  del(key: string): void {
    this.set(key, null)
  }

  /**
   * Live entries whose keys start with `prefix`, in key order, as of the call; from the key `from`
   * on, and at most `limit`.
   */
  async scan(
    prefix: string,
    { from = prefix, limit = Infinity, onDamaged }: ScanOptions = {},
  ): Promise<Entry[]> {
    const found: Entry[] = []
    const take = (key: string, body: Uint8Array): boolean => found.push([key, body]) < limit
    await this.visit(prefix, { from, onDamaged, take })
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
  }

  /** Hands over the same entries, all of them, in no order and as they come: there may be millions. */
  async each(
    prefix: string,
    take: (key: string, body: Uint8Array) => void,
    onDamaged: (key: string) => void,
  ): Promise<void> {
    const takeAll = (key: string, body: Uint8Array): boolean => {
      take(key, body)
      return true
    }
    await this.visit(prefix, { from: prefix, onDamaged, take: takeAll })
  }

  /** Hands entries over: those of the index in order until there is enough, then all newer ones. */
  private async visit(prefix: string, { from, onDamaged, take }: Visit): Promise<void> {
    // Both layers are copied before the index is asked: an entry that a checkpoint moves meanwhile
    // is then in both and counted once; the other way round it could be in neither.
    const above = new Map<string, Uint8Array | null>()
    for (const layer of [this.captured, this.pending]) this.collect(layer, prefix, above)
    let wantsMore = true
    for await (const page of this.index.pages(from, prefixEnd(prefix))) {
      for (const [key, value] of page) {
        const body = above.has(key) ? undefined : openOrReport(key, value, onDamaged)
        if (body !== undefined) wantsMore = take(key, body)
        if (!wantsMore) break
      }
      if (!wantsMore) break
    }
    for (const [key, body] of above) if (body !== null && key >= from) take(key, body)
  }

  /**
   * Takes what a checkpoint has to make durable. Requires: no other capture is under way.
   * Establishes: changes from now on belong to the next one.
   */
  capture(): IndexOp[] {
    invariant(this.captured.size === 0, 'one checkpoint at a time captures metadata')
    this.captured = this.pending
    this.pending = new Map()
    this.pendingCount = 0
    const operations: IndexOp[] = []
    for (const [group, entries] of this.captured) {
      for (const [rest, body] of entries) {
        const key = group + rest
        operations.push(
          body === null ? { type: 'del', key } : { type: 'put', key, value: sealValue(key, body) },
        )
      }
    }
    return operations
  }

  /** The captured changes are in the index. */
  release(): void {
    this.captured = new Map()
  }

  private set(key: string, body: Uint8Array | null): void {
    const group = key.slice(0, GROUP_LENGTH)
    let entries = this.pending.get(group)
    if (entries === undefined) {
      entries = new Map()
      this.pending.set(group, entries)
    }
    entries.set(key.slice(GROUP_LENGTH), body)
    this.cache.drop(key)
    this.pendingCount++
  }

  private collect(layer: Layer, prefix: string, into: Map<string, Uint8Array | null>): void {
    const exact = prefix.length >= GROUP_LENGTH ? prefix.slice(0, GROUP_LENGTH) : undefined
    const groups = exact === undefined ? layer.keys() : [exact]
    for (const group of groups) {
      if (exact === undefined && !group.startsWith(prefix)) continue
      for (const [rest, body] of layer.get(group) ?? []) {
        const key = group + rest
        if (key.startsWith(prefix)) into.set(key, body)
      }
    }
  }
}
