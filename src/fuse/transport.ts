/** What every way to the kernel has in common. */
import type { Logger } from 'pino'
import type { FilesystemOperations } from '../fs/operations.ts'
import type { MountOptions } from './kernel/mount.ts'
import type { MountNote } from './kernel/mount-note.ts'
import type { UnmountOptions } from './kernel/unmount.ts'

export const TRANSPORTS = ['kernel', 'fuse-native'] as const

export type TransportName = (typeof TRANSPORTS)[number]

export interface TransportOptions {
  readonly filesystem: FilesystemOperations
  readonly mountpoint: string
  /** What the mount table shows as mounted: the volume's path. */
  readonly source: string
  readonly log: Logger
  /** Told of every failure of a request that is not an `FsError`. */
  readonly onBug: (error: unknown) => void
  readonly mount?: MountOptions
  /** What an earlier life of this mount has left word of. */
  readonly note?: MountNote
}

/** A mount that is served. It ends when the kernel says so, after an unmount by anybody. */
export interface Transport {
  readonly mountpoint: string
  /** Resolves when the mount is gone; rejects when the connection has failed. */
  readonly ended: Promise<void>
  /** Ends the connection without an unmount; whatever uses the mount gets errors. */
  stop(): void
  /**
   * Unmounts. Resolves when the mount is gone, or, if `lazy`, when nobody can find it any more.
   * Throws FsError EBUSY while it is in use.
   */
  unmount(options?: UnmountOptions): Promise<void>
}
