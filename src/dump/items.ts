/** What a dump consists of, before it becomes text or JSON. */
import type { Finding } from '../check/findings.ts'
import type { Inode } from '../store/inode.ts'
import type { Marker } from '../store/marker.ts'
import type { Superblock } from '../store/superblock.ts'

/** Consecutive file blocks in consecutive blocks. */
export interface Extent {
  readonly fileBlock: number
  readonly startBlock: number
  readonly blockCount: number
}

/** One record of the ring that the next mount will replay. */
export interface RecordItem {
  readonly kind: 'record'
  readonly commitSeq: number
  readonly epoch: number
  /** In blocks since the volume was made, and in the ring. */
  readonly position: number
  readonly ringBlock: number
  readonly blockCount: number
  readonly timeNs: bigint
  /** Each operation in a few words. */
  readonly operations: readonly string[]
}

export interface InodeItem {
  readonly kind: 'inode'
  readonly inode: Inode
  /** Every name that leads to it, shown safely. */
  readonly paths: readonly string[]
  readonly xattrs: readonly { readonly name: string; readonly size: number }[]
  readonly extents: readonly Extent[]
}

export type DumpItem =
  | { readonly kind: 'superblock'; readonly superblock: Superblock }
  | { readonly kind: 'marker'; readonly marker: Marker }
  | {
      readonly kind: 'space'
      readonly blockCount: number
      readonly usedCount: number
      readonly ringBlockCount: number
      readonly waitingBlockCount: number
    }
  | RecordItem
  | InodeItem
  | ({ readonly kind: 'damage' } & Pick<Finding, 'invariant' | 'message'>)
