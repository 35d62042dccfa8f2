/** Turns what Node and LevelDB throw into the errors of this filesystem. */
import { ERRNO, FsError, type ErrnoCode } from '../errors.ts'

/** Full is full for a caller, whoever set the limit. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** The `code` of a thrown value, as Node and LevelDB set it. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

/** An FsError that says which operation on which file failed; an unknown reason becomes EIO. */
export function hostError(operation: string, path: string, error: unknown): FsError {
  if (error instanceof FsError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new FsError(errnoOf(error), `Cannot ${operation} "${path}": ${reason}`, { cause: error })
}

function errnoOf(error: unknown): ErrnoCode {
  const code = codeOf(error)
  if (FULL.has(code) || mentionsFullDisk(error)) return 'ENOSPC'
  return isErrno(code) ? code : 'EIO'
}

/** LevelDB gives no code, only the host's words, often one cause down. */
function mentionsFullDisk(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (
    /No space left on device|quota exceeded/i.test(error.message) || mentionsFullDisk(error.cause)
  )
}

function isErrno(code: string): code is ErrnoCode {
  return Object.hasOwn(ERRNO, code)
}

/** Runs host calls; what they throw becomes an FsError. */
export function onHost<Value>(operation: string, path: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw hostError(operation, path, error)
  }
}
