import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { ERRNO, type ErrnoCode, FsError } from '../errors.ts'

/** The error of the call of the C library that has just failed. */
export function libcFailure(what: string): FsError {
  const code = getSystemErrorName(-koffi.errno())
  return new FsError(isErrno(code) ? code : 'EIO', `${what}: ${code}`)
}

function isErrno(code: string): code is ErrnoCode {
  return Object.hasOwn(ERRNO, code)
}
