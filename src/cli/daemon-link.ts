/** What the command and the daemon that it starts say to each other, once in each direction. */
import type { ExitCode } from './exit-codes.ts'
import type { MountSettings } from './mount-options.ts'

/** The command's word, as JSON in the daemon's first parameter. Paths are absolute. */
export interface MountRequest {
  readonly volume: string
  /** What the mount table shows as the source: the volume as it was named. */
  readonly source: string
  readonly mountpoint: string
  readonly settings: MountSettings
}

/** The daemon's word: that the mount is live, or why there is none. */
export type DaemonReport =
  | { readonly type: 'live' }
  | { readonly type: 'failed'; readonly message: string; readonly exitCode: ExitCode }

/**
 * Which life of a mount a daemon is, as the supervisor says in the second parameter: the only one
 * without a supervisor, the first, one after a death, or none any more after too many.
 */
export type Life = 'only' | 'first' | 'again' | 'over'

/** Exit codes of a daemon that ask the supervisor for another life; no command ends with them. */
export const RETRY = { crashed: 70, notStarted: 75 } as const

/** The descriptor of the note that all lives share. */
export const NOTE_FD = 4
