/**
 * What a commit does, as the journal keeps it. All operations are redo: applying one twice leaves
 * the same state as applying it once, so recovery may run again.
 */
import type { BlockNo } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { FILE_BLOCKS_MAX, type Ino } from './inode.ts'
import { isWellFormed } from './keys.ts'

export type Op =
  | { readonly type: 'put'; readonly key: string; readonly body: Uint8Array }
  | { readonly type: 'del'; readonly key: string }
  | PageOp
  | RemapOp
  | ShareOp
  | UnmapOp
  | DropOp
  | MoveOp
  | VacateOp

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

/**
 * Blocks become part of the file that leave another place with the same commit: they have as many owners
 * as before. Their content may still be in the ring. Behind all other operations on maps of a commit.
 */
export interface MoveOp extends MapOp {
  readonly type: 'move'
  readonly block: BlockNo
  readonly checksums: Uint32Array
}

/** Blocks of the file become a hole, and are at another place with the same commit. */
export interface VacateOp extends MapOp {
  readonly type: 'vacate'
  readonly count: number
}

/** Kinds of keys that commits set and delete; checkpoints write the others. */
const COMMITTED_KEYS = 'IDXOHP'

/** File blocks that an operation is about; a leaf's for `drop`. */
export function blockCountOf(op: Exclude<Op, { readonly key: string }>): number {
  if ('checksums' in op) return op.checksums.length
  return op.type === 'unmap' || op.type === 'vacate' ? op.count : 1
}

/**
 * Whether an operation that stood in the ring can be one of a volume with so many blocks. Throws
 * FsError EIO. Whether it fits what is mapped is `Store.prepare`'s to say.
 */
export function checkOp(op: Op, blockCount: number): void {
  if (op.type === 'put' || op.type === 'del') {
    if (isWellFormed(op.key) && COMMITTED_KEYS.includes(op.key.slice(0, 1))) return
    throw impossible(op, 'such a key')
  }
  const count = blockCountOf(op)
  if (op.fileBlock + count > FILE_BLOCKS_MAX) throw impossible(op, 'so long a file')
  // Only what is mapped is unmapped, so this bounds the work as well.
  if (count > blockCount) throw impossible(op, `${count} blocks`)
  if (op.type === 'unmap' || op.type === 'vacate' || op.type === 'drop') return
  if (op.block === 0 || op.block + count > blockCount) throw impossible(op, `block ${op.block}`)
}

function impossible(op: Op, what: string): FsError {
  return new FsError('EIO', `A commit in the ring is damaged: there is no ${op.type} of ${what}`)
}
