/**
 * What Node lacks of the host, through foreign calls. Each has a fallback, so that a machine on
 * which koffi cannot be loaded has the same results, only slower or coarser.
 */
import { fstatSync, ftruncateSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type * as Koffi from 'koffi'

const CLOCK_REALTIME_COARSE = 5
const NS_PER_S = 1_000_000_000n
const ZEROS = Buffer.alloc(1024 * 1024)
const { EINTR, EOPNOTSUPP } = constants.errno

interface HostCalls {
  fallocate(fd: number, mode: number, offset: number, lengthBytes: number): number
  clockGettime(clock: number, seconds: BigInt64Array): number
  errno(): number
}

const calls = loadHostCalls()

function loadHostCalls(): HostCalls | undefined {
  // A timespec is two 64-bit numbers only there.
  if (process.arch !== 'x64' && process.arch !== 'arm64') return undefined
  try {
    const koffi: typeof Koffi = createRequire(import.meta.url)('koffi')
    const libc = koffi.load('libc.so.6')
    return {
      fallocate: libc.func('int fallocate64(int fd, int mode, int64_t offset, int64_t length)'),
      clockGettime: libc.func('int clock_gettime(int clock, void *time)'),
      errno: () => koffi.errno(),
    }
  } catch {
    return undefined
  }
}

/**
 * Makes `[offset, offset + lengthBytes)` of a file exist with its space allocated; what is there
 * stays. Throws with the host's `code`; then part of the space may have been allocated.
 */
export function fallocate(fd: number, offset: number, lengthBytes: number): void {
  if (calls === undefined) {
    writeZeros(fd, offset, lengthBytes)
    return
  }
  while (calls.fallocate(fd, 0, offset, lengthBytes) !== 0) {
    const errno = calls.errno()
    if (errno === EOPNOTSUPP) {
      writeZeros(fd, offset, lengthBytes)
      return
    }
    if (errno !== EINTR) throw systemError('fallocate', errno)
  }
}

/** Allocates by writing what lies behind the end of the file; this host has no holes before it. */
function writeZeros(fd: number, offset: number, lengthBytes: number): void {
  const end = offset + lengthBytes
  const size = fstatSync(fd).size
  if (size < offset) ftruncateSync(fd, offset)
  for (let at = Math.max(offset, size); at < end;) {
    at += writeSync(fd, ZEROS, 0, Math.min(ZEROS.length, end - at), at)
  }
}

function systemError(call: string, errno: number): Error {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}: ${call}`), { code, syscall: call })
}

const time = new BigInt64Array(2)

/** The time since 1970 as the host's timer tick saw it: some milliseconds old, and cheap. */
export function coarseTimeNs(): bigint {
  if (calls === undefined || calls.clockGettime(CLOCK_REALTIME_COARSE, time) !== 0) {
    return BigInt(Date.now()) * 1_000_000n
  }
  return (time[0] ?? 0n) * NS_PER_S + (time[1] ?? 0n)
}
