/** Calls of the C library that Node.js does not have, in threads of its pool. */
import koffi from 'koffi'

type Done = (error: Error | null, result: number) => void

const library = koffi.load('libc.so.6')
const getxattr = library.func('int64_t getxattr(const char *, const char *, _Out_ void *, size_t)')
const setxattr = library.func('int setxattr(const char *, const char *, const void *, size_t, int)')
const removexattr = library.func('int removexattr(const char *, const char *)')
// Not declared as variadic: Linux passes the one argument alike on x86-64 and arm64.
const ioctl = library.func('int ioctl(int, unsigned long, _Inout_ void *)')

/** A result of 0 or more, or a negative errno. */
type Result = Promise<number>

export const getXattr = (path: string, name: string, value: Uint8Array): Result =>
  run((done) => getxattr.async(path, name, value, value.length, done))

export const setXattr = (path: string, name: string, value: Uint8Array): Result =>
  run((done) => setxattr.async(path, name, value, value.length, 0, done))

export const removeXattr = (path: string, name: string): Result =>
  run((done) => removexattr.async(path, name, done))

/** `data` is passed by address and may come back changed. */
export const control = (fd: number, command: number, data: Uint8Array): Result =>
  run((done) => ioctl.async(fd, command, data, done))

function run(start: (done: Done) => unknown): Result {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error !== null) reject(error)
      else resolve(result < 0 ? -koffi.errno() : result)
    })
  })
}
