/**
 * What a commit does, as the journal keeps it. All operations are redo: applying one twice leaves
 * the same state as applying it once, so recovery may run again.
 */
import type { BlockNo } from '../device/device.ts'
import type { Ino } from './inode.ts'

export type Op =
  | { readonly type: 'put'; readonly key: string; readonly body: Uint8Array }
  | { readonly type: 'del'; readonly key: string }
  | PageOp
  | RemapOp
  | ShareOp
  | UnmapOp
  | DropOp

interface MapOp {
  readonly ino: Ino
  readonly generation: number
  readonly fileBlock: number
}

/** New content of one block, carried by the record; a checkpoint writes it to `block`. */
export interface PageOp extends MapOp {
  readonly type: 'page'
  readonly block: BlockNo
  readonly checksum: number
  readonly data: Uint8Array
}

/** Blocks whose content is already durable become part of the file. */
export interface RemapOp extends MapOp {
  readonly type: 'remap'
  readonly block: BlockNo
  readonly checksums: Uint32Array
}

/** Blocks that another place of a map refers to become part of the file, too. */
export interface ShareOp extends MapOp {
  readonly type: 'share'
  readonly block: BlockNo
  readonly checksums: Uint32Array
}

/** Blocks of the file become a hole. */
export interface UnmapOp extends MapOp {
  readonly type: 'unmap'
  readonly count: number
}

/** The leaf that holds this file block leaves its map; its blocks stay, another generation has them. */
export interface DropOp extends MapOp {
  readonly type: 'drop'
}
