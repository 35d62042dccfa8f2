/**
 * What can go wrong, in three kinds that are never mixed: an expected error is an `FsError` and is
 * answered with its errno; a broken invariant is a bug; everything else is a bug too and becomes EIO.
 */

/** The errno values that this filesystem answers, as Linux numbers them. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103,
  ENOTCONN: 107,
  ESTALE: 116,
  ECANCELED: 125,
} as const satisfies Readonly<Record<string, number>>

export type ErrnoCode = keyof typeof ERRNO

/** An operating error: expected, handled, and answered with an errno. */
export class FsError extends Error {
  override readonly name: string = 'FsError'
  readonly code: ErrnoCode

  constructor(code: ErrnoCode, message: string, options?: ErrorOptions) {
    // An expected error needs no stack, and taking one costs more than most requests.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(message, options)
    Error.stackTraceLimit = limit
    this.code = code
  }
}

/** A bug in this program: a promise between its parts does not hold. */
class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Stops at once when what the code relies on is not so. Always on. */
export function invariant(condition: boolean, why: string): asserts condition {
  if (!condition) throw new InvariantError(`Broken invariant: ${why}`)
}

/** The errno (positive) that answers any thrown value. */
export function toErrno(error: unknown): number {
  return error instanceof FsError ? ERRNO[error.code] : ERRNO.EIO
}
