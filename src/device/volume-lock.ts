/** Who has a volume open: the holder of the lock on its index, which ends with the process. */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { FsError } from '../errors.ts'
import { onHost } from './host-error.ts'

const F_GETLK = 5
const F_SETLK = 6
const F_WRLCK = 1
const F_UNLCK = 2
// struct flock: type and whence, 4 bytes of padding, start and length, process.
const FLOCK_SIZE = 32
const FLOCK_PID_OFFSET = 24

const fcntl = koffi.load('libc.so.6').func('int fcntl(int, int, ...)') as (
  fd: number,
  command: number,
  type: 'void*',
  argument: Uint8Array,
) => number

/**
 * The process that has the volume open, 0 if it cannot be seen from here; undefined if none has.
 * Requires: this process has not opened the volume, as it would lose the lock by this.
 */
export function volumeHolder(volume: string): number | undefined {
  let fd
  try {
    fd = openSync(join(volume, 'index', 'LOCK'), 'r')
  } catch {
    return undefined
  }
  try {
    const lock = Buffer.alloc(FLOCK_SIZE)
    lock.writeInt16LE(F_WRLCK, 0)
    if (fcntl(fd, F_GETLK, 'void*', lock) !== 0) return undefined
    return lock.readInt16LE(0) === F_UNLCK ? undefined : lock.readInt32LE(FLOCK_PID_OFFSET)
  } finally {
    closeSync(fd)
  }
}

/**
 * Takes the lock of a volume without LevelDB, as LevelDB would; returns what gives it back. Throws
 * FsError EBUSY. Requires: this process has not opened the volume, and opens the index in this folder
 * only when it has given the lock back.
 */
export function lockVolume(volume: string): () => void {
  const path = join(volume, 'index', 'LOCK')
  const fd = onHost('open', path, () => {
    mkdirSync(join(volume, 'index'), { recursive: true })
    return openSync(path, 'a+')
  })
  const lock = Buffer.alloc(FLOCK_SIZE)
  lock.writeInt16LE(F_WRLCK, 0)
  if (fcntl(fd, F_SETLK, 'void*', lock) !== 0) {
    closeSync(fd)
    throw new FsError('EBUSY', `Cannot open: volume "${volume}" is in use by another process`)
  }
  return () => {
    closeSync(fd)
  }
}
