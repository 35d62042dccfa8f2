/**
 * The seam between the store and what keeps its bytes. A device has three parts, each with a narrow
 * contract that one suite checks on every implementation:
 *
 *   Ring    fixed size; overwritten in place; holds the journal
 *   Blocks  grows; addressed by block; holds file data
 *   Index   ordered keys; one atomic, synced batch at a time; holds metadata
 *
 * Durability: what `write` stored survives the death of this process, and survives a power cut only
 * after a later `flush` of the same part has resolved. Until then any subset of the unflushed
 * sectors may be there, in any order. After any rejected call the state of what was being written
 * is unknown; the caller must stop writing and never report success.
 */

/** The unit of storage, in bytes. */
export const BLOCK_SIZE = 4096

/** Number of a block, from 0 within its part. */
export type BlockNo = number

/** The journal's space: `blockCount` blocks that were all written when the volume was made. */
export interface Ring {
  readonly blockCount: number
  /** Reads `target.length / BLOCK_SIZE` blocks from `block` on. Throws FsError EIO. */
  read(block: BlockNo, target: Uint8Array): void
  /** Stores whole blocks; survives this process, not a power cut. */
  write(block: BlockNo, data: Uint8Array): void
  /**
   * Stores whole blocks and resolves when they are durable. Earlier `write`s are not covered: call
   * `flush` for these. `data` is page-aligned memory that the caller leaves alone until then. With
   * `mayBlock` the call may keep the event loop until it is done, which saves two thread switches.
   */
  writeDurable(block: BlockNo, data: Uint8Array, mayBlock?: boolean): Promise<void>
  /** Resolves when everything that was written before the call is durable. */
  flush(mayBlock?: boolean): Promise<void>
}

/** File data. Block 0 is never used, so that 0 can mean "no block". */
export interface Blocks {
  /** Blocks that exist; those from here on cannot be read or written yet. */
  readonly blockCount: number
  /** Reads `target.length / BLOCK_SIZE` blocks from `block` on. Throws FsError EIO. */
  read(block: BlockNo, target: Uint8Array): void
  /** The same, without keeping the event loop busy; for large reads, best into page-aligned memory. */
  readAsync(block: BlockNo, target: Uint8Array): Promise<void>
  /** Stores whole blocks; survives this process, not a power cut. */
  write(block: BlockNo, data: Uint8Array): void
  /**
   * Stores whole blocks past the cache of the host. Not durable before `flush`. `data` is
   * page-aligned memory that the caller leaves alone until the promise settles.
   */
  writeDirect(block: BlockNo, data: Uint8Array): Promise<void>
  /** Resolves when everything that was written before the call is durable. */
  flush(): Promise<void>
  /**
   * Makes at least `blockCount` blocks exist, with their space really allocated and durably so.
   * Throws FsError ENOSPC, and then nothing has changed.
   */
  grow(blockCount: number): void
  /** Bytes that the host could still give to this volume. */
  hostFreeBytes(): number
}

/** One change of the index; keys are byte strings, one character (0 to 255) for each byte. */
export type IndexOp =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

/** Metadata. Keys are ordered by their bytes. */
/** Some entries of an index. */
export type IndexPage = readonly (readonly [key: string, value: Uint8Array])[]

export interface Index {
  /** Whether it can take more; false when the space that it holds in reserve is used up, too. */
  readonly hasSpace: boolean
  /** The value of a key. Throws FsError EIO. */
  get(key: string): Uint8Array | undefined
  /** Entries with `from <= key < to` in key order, as of the call, many at a time. */
  pages(from: string, to: string): AsyncIterable<IndexPage>
  /**
   * Applies all operations or none, and resolves when that is durable. Only one batch may be under
   * way. After a rejection the index refuses every further batch until the device is opened again.
   */
  batch(operations: readonly IndexOp[]): Promise<void>
}

/** A volume's parts, opened by one process at a time. */
export interface Device {
  readonly ring: Ring
  readonly blocks: Blocks
  readonly index: Index
  /** Reads copy 0 or 1 of the superblock, one block. */
  readSuperblock(copy: 0 | 1): Uint8Array
  /** Writes a copy of the superblock and resolves when it is durable. */
  writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void>
  /** Releases everything; nothing is made durable by it. */
  close(): Promise<void>
}
