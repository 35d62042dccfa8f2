/** How commands end. mount(8) passes on what its helper says, so 32 is the number it uses itself. */
import { FsError } from '../errors.ts'

export const EXIT = {
  ok: 0,
  /** The command line is wrong. */
  usage: 1,
  /** The volume or the mount point cannot be used as it is. */
  unusable: 2,
  /** The volume or the mount point is in use. */
  inUse: 3,
  /** A check or a scrub has found damage, and some of it is left. */
  damaged: 4,
  /** A volume was not closed in order, or something failed that should not. */
  failed: 5,
  /** Damage was found, and all of it was repaired. */
  repaired: 6,
  /** The kernel, or the program that mounts for us, has refused, or the host has failed. */
  mountFailed: 32,
  /** `run`: the command has succeeded, and others had changed the folder. */
  conflict: 124,
  /** `run`: oatomic itself has failed; all other codes are the command's. */
  runFailed: 125,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** An expected end of a command: one line for the user, and its exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** The exit code that tells of a thrown value. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode
  if (!(error instanceof FsError)) return EXIT.failed
  return error.code === 'EBUSY' ? EXIT.inUse : EXIT.unusable
}

/** What a thrown value says, in one line. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.trim().replaceAll(/\s*\n\s*/g, '; ')
}
