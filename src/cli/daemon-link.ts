/** What the command and the daemon that it starts say to each other, once in each direction. */
import type { ExitCode } from './exit-codes.ts'
import type { MountSettings } from './mount-options.ts'

/** The command's word, as JSON in the daemon's only parameter. Paths are absolute. */
export interface MountRequest {
  readonly volume: string
  readonly mountpoint: string
  readonly settings: MountSettings
}

/** The daemon's word: that the mount is live, or why there is none. */
export type DaemonReport =
  | { readonly type: 'live' }
  | { readonly type: 'failed'; readonly message: string; readonly exitCode: ExitCode }
