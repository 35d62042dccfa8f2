/** What a scrub works with. */
import type { Ino } from '../store/inode.ts'
import type { Superblock } from '../store/superblock.ts'
import type { Engine } from '../txn/engine.ts'

/** The volume's bytes as they are on the disk, not as the host remembers them. */
export interface RawVolume {
  /** Reads whole blocks of the block file into page-aligned memory. Throws FsError EIO. */
  readBlocks(fileBlock: number, target: Uint8Array): Promise<void>
  /** The folder of the index, if it has one, and how its files are read. */
  readonly indexPath?: string
  readonly readIndexFile?: (path: string) => Promise<Buffer>
}

/** One damaged place. */
export interface ScrubFinding {
  readonly what: string
  /** The inode it belongs to, with its path once that was looked for. */
  readonly ino?: Ino
  readonly path?: string
  /** The file of the volume, where it belongs to no inode. */
  readonly file?: string
  /** In the file, in bytes. */
  readonly offset?: number
  /** Whether it is right again. */
  readonly mended: boolean
}

export interface ScrubParts {
  readonly engine: Engine
  readonly superblock: Superblock
  readonly raw: RawVolume
  readonly report: (finding: ScrubFinding) => void
}

/** Bytes that were read since the last turn. */
export type Turns = AsyncGenerator<number, void>

/** Damaged values are reported with the index, and passed over elsewhere. */
export const passOver = (): void => undefined

/** Whether what is damaged may be written again. */
export function mayMend({ engine: { health } }: ScrubParts): boolean {
  return !health.failed && !health.readOnly
}
