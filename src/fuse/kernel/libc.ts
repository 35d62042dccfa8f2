/**
 * The few calls of the C library that Node.js does not have, or not without an exception for each
 * EAGAIN. Results are as in C: negative means failed, and `lastErrno` says why.
 */
import koffi from 'koffi'

const library = koffi.load('libc.so.6')

type Address = bigint

export const read = library.func('long read(int, void*, size_t)') as (
  fd: number,
  target: Address,
  lengthBytes: number,
) => number

export const write = library.func('long write(int, void*, size_t)') as (
  fd: number,
  source: Uint8Array,
  lengthBytes: number,
) => number

export const dup = library.func('int dup(int)') as (fd: number) => number

export const socketpair = library.func('int socketpair(int, int, int, void*)') as (
  domain: number,
  type: number,
  protocol: number,
  pair: Uint8Array,
) => number

/** A file without a name. */
export const memfdCreate = library.func('int memfd_create(const char*, unsigned int)') as (
  name: string,
  flags: number,
) => number

export const recvmsg = library.func('long recvmsg(int, void*, int)') as (
  fd: number,
  message: Uint8Array,
  flags: number,
) => number

const pollFunction = library.func('int poll(void*, unsigned long, int)')

/** Waits in a thread of the pool until `fd` is readable or in error, or the time is over. */
export async function pollReadable(fd: number, timeoutMs: number): Promise<void> {
  const POLLIN = 1
  const entry = Buffer.alloc(8)
  entry.writeInt32LE(fd, 0)
  entry.writeInt16LE(POLLIN, 4)
  await new Promise<void>((resolve) => {
    pollFunction.async(entry, 1, timeoutMs, () => {
      resolve()
    })
  })
}

/** Whether a descriptor is in error, as the device of a mount is whose connection was cut. */
export function isInError(fd: number): boolean {
  const POLLERR = 8
  const entry = Buffer.alloc(8)
  entry.writeInt32LE(fd, 0)
  pollFunction(entry, 1, 0)
  return (entry.readInt16LE(6) & POLLERR) !== 0
}

const truncateFunction = library.func('int truncate(const char*, long)')

/**
 * truncate(2) in a thread of the pool. What Node.js calls by that name opens the file, which makes
 * this program one of its writers. Resolves with 0 or an errno.
 */
export async function truncatePath(path: string, size: number): Promise<number> {
  return new Promise((resolve) => {
    truncateFunction.async(path, size, (_: unknown, result: number) => {
      resolve(result === 0 ? 0 : lastErrno())
    })
  })
}

const utimensat = library.func('int utimensat(int, const char*, void*, int)')

/**
 * Sets times of a file in a thread of the pool, to the nanosecond; one that is undefined stays. Resolves
 * with 0 or an errno.
 */
export async function setTimes(
  path: string,
  atimeNs: bigint,
  mtimeNs: bigint | undefined,
): Promise<number> {
  const AT_FDCWD = -100
  const UTIME_OMIT = 0x3fff_fffen
  const NANOSECONDS = 1_000_000_000n
  const times = Buffer.alloc(32)
  for (const [i, time] of [atimeNs, mtimeNs].entries()) {
    if (time === undefined) {
      times.writeBigInt64LE(UTIME_OMIT, 16 * i + 8)
      continue
    }
    const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
    times.writeBigInt64LE((time - nanoseconds) / NANOSECONDS, 16 * i)
    times.writeBigInt64LE(nanoseconds, 16 * i + 8)
  }
  return new Promise((resolve) => {
    utimensat.async(AT_FDCWD, path, times, 0, (_: unknown, result: number) => {
      resolve(result === 0 ? 0 : lastErrno())
    })
  })
}

const fcntl = library.func('int fcntl(int, int, ...)') as (
  fd: number,
  command: number,
  type: 'int',
  argument: number,
) => number

const mmap = library.func('void* mmap(void*, size_t, int, int, int, int64_t)') as (
  address: null,
  lengthBytes: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => unknown

/** Maps a file for reading, shared; undefined on failure. */
export function mapShared(fd: number, lengthBytes: number): Mapping | undefined {
  const PROT_READ = 1
  const MAP_SHARED = 1
  const address: unknown = mmap(null, lengthBytes, PROT_READ, MAP_SHARED, fd, 0)
  const isFailed = koffi.address(address) === 0xffff_ffff_ffff_ffffn
  return isFailed ? undefined : { address, lengthBytes }
}

export interface Mapping {
  readonly address: unknown
  readonly lengthBytes: number
}

const msyncFunction = library.func('int msync(void*, size_t, int)')
const munmapFunction = library.func('int munmap(void*, size_t)')

/** msync(MS_SYNC), in a thread of the pool; resolves with what it returns. */
export async function syncMapping({ address, lengthBytes }: Mapping): Promise<number> {
  const MS_SYNC = 4
  return new Promise((resolve) => {
    msyncFunction.async(address, lengthBytes, MS_SYNC, (_: unknown, result: number) => {
      resolve(result)
    })
  })
}

/** munmap, in a thread of the pool. */
export async function unmap({ address, lengthBytes }: Mapping): Promise<void> {
  await new Promise<void>((resolve) => {
    munmapFunction.async(address, lengthBytes, () => {
      resolve()
    })
  })
}

// These three are the same numbers on all architectures; the C library has no names for them.
const SYS_IO_URING_SETUP = 425
const SYS_IO_URING_ENTER = 426
const SYS_IO_URING_REGISTER = 427

const setupCall = library.func('long syscall(long, long, void*)')
const enterCall = library.func('long syscall(long, long, long, long, long, void*, long)')
const registerCall = library.func('long syscall(long, long, long, void*, long)')

/** io_uring_setup(2): returns a descriptor, or a negative number. */
export function ringSetup(entryCount: number, parameters: Uint8Array): number {
  return Number(setupCall(SYS_IO_URING_SETUP, entryCount, parameters))
}

/** io_uring_register(2) in a thread of the pool. Resolves with 0 or an errno. */
export async function ringRegister(
  fd: number,
  operation: number,
  argument: Uint8Array,
  count: number,
): Promise<number> {
  return new Promise((resolve) => {
    const done = (_: unknown, result: number): void => {
      resolve(result < 0 ? lastErrno() : 0)
    }
    registerCall.async(SYS_IO_URING_REGISTER, fd, operation, argument, count, done)
  })
}

/** io_uring_enter(2) in a thread of the pool. Resolves with how many were submitted, or a negative errno. */
export async function ringEnter(
  fd: number,
  submitCount: number,
  completeCount: number,
  flags: number,
): Promise<number> {
  return new Promise((resolve) => {
    const done = (_: unknown, result: number): void => {
      resolve(result < 0 ? -lastErrno() : result)
    }
    enterCall.async(SYS_IO_URING_ENTER, fd, submitCount, completeCount, flags, null, 0, done)
  })
}

/** Has reads fail with EAGAIN instead of waiting. */
export function setNonBlocking(fd: number): void {
  const F_GETFL = 3
  const F_SETFL = 4
  const O_NONBLOCK = 0o4000
  fcntl(fd, F_SETFL, 'int', fcntl(fd, F_GETFL, 'int', 0) | O_NONBLOCK)
}

/** Where memory lies; it stays there as long as somebody holds `memory`. */
export function addressOf(memory: Uint8Array): Address {
  return koffi.address(memory)
}

/** Why the last failed call failed. Requires: no other call in between. */
export function lastErrno(): number {
  return koffi.errno()
}
