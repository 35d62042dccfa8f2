import { getSystemErrorName } from 'node:util'

/** What went wrong with a file of the mount. `code` is the name of an errno, as in Node's own errors. */
export class OatomicError extends Error {
  override readonly name: string = 'OatomicError'
  readonly code: string
  readonly path: string | undefined

  constructor(code: string, message: string, path?: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.path = path
  }
}

/** The file is not on a mounted oatomic volume, so what was asked would mean nothing there. */
export class NotOatomicError extends OatomicError {
  override readonly name = 'NotOatomicError'

  constructor(path: string) {
    super('EOPNOTSUPP', `"${path}" is not in a mounted oatomic volume`, path)
  }
}

/** Throws an OatomicError for a failed call; `what` says what was tried. */
export function failure(what: string, errno: number, path?: string): OatomicError {
  const code = getSystemErrorName(-errno)
  return new OatomicError(code, `Cannot ${what}: ${EXPLAINED[code] ?? code}`, path)
}

const EXPLAINED: Readonly<Record<string, string>> = {
  EBUSY: 'somebody else has changed it meanwhile (EBUSY); discard, and try again',
  ENOSPC: 'the volume is full (ENOSPC)',
  EROFS: 'the volume is read-only (EROFS)',
  EIO: 'the volume could not store it (EIO); the log of the mount says why',
}
