/** Extended attributes of files, which Node does not offer. */
import koffi from 'koffi'
import { libcFailure } from './libc-failure.ts'

const VALUE_SIZE_MAX = 65_536

const library = koffi.load('libc.so.6')
const getxattr = library.func('int64_t getxattr(const char *, const char *, void *, size_t)') as (
  path: string,
  name: string,
  value: Uint8Array,
  size: number,
) => number
const setxattr = library.func(
  'int setxattr(const char *, const char *, const void *, size_t, int)',
) as (path: string, name: string, value: Uint8Array, size: number, flags: number) => number

/** The value of an attribute, as text. Throws FsError. */
export function readXattr(path: string, name: string): string {
  const value = Buffer.alloc(VALUE_SIZE_MAX)
  const length = getxattr(path, name, value, value.length)
  if (length < 0) throw libcFailure(`Cannot read ${name} of "${path}"`)
  return value.subarray(0, length).toString('latin1')
}

/** Sets an attribute. Throws FsError. */
export function writeXattr(path: string, name: string, text: string): void {
  const value = Buffer.from(text, 'latin1')
  if (setxattr(path, name, value, value.length, 0) === 0) return
  throw libcFailure(`Cannot set ${name} of "${path}" to "${text}"`)
}
