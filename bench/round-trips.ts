/** Calls that Linux can answer only with a request of its own to the filesystem, each. */
import * as fs from 'node:fs'
import koffi from 'koffi'
import { allocateAligned } from '../src/device/aligned-memory.ts'
import { PAGE_SIZE } from './pages.ts'

const AT_EMPTY_PATH = 0x1000
/** Asks the filesystem, however long its last answer was to be believed. */
const AT_STATX_FORCE_SYNC = 0x2000
const STATX_BASIC_STATS = 0x7ff
const STATX_SIZE = 256

/** Between two looks at the clock. */
const CALLS_PER_LOOK = 16

const statx = koffi
  .load('libc.so.6')
  .func('int statx(int, const char*, int, unsigned int, void*)') as (
  fd: number,
  path: string,
  flags: number,
  mask: number,
  target: Uint8Array,
) => number

export interface RoundTripRequest {
  readonly path: string
  /** A file on a mount that caches nothing is written by `write`. */
  readonly kind: 'stat' | 'write' | 'direct write'
  readonly timeMs: number
}

/** Calls in a second, on a file of at least a page. */
export function roundTrips({ path, kind, timeMs }: RoundTripRequest): number {
  const direct = kind === 'direct write' ? fs.constants.O_DIRECT : 0
  const fd = fs.openSync(path, fs.constants.O_RDWR | direct)
  try {
    const call = kind === 'stat' ? forcedStat(fd) : directWrite(fd)
    const started = performance.now()
    let count = 0
    do {
      for (let i = 0; i < CALLS_PER_LOOK; i++) call()
      count += CALLS_PER_LOOK
    } while (performance.now() - started < timeMs)
    return (count * 1000) / (performance.now() - started)
  } finally {
    fs.closeSync(fd)
  }
}

function forcedStat(fd: number): () => void {
  const target = Buffer.alloc(STATX_SIZE)
  return () => {
    const flags = AT_EMPTY_PATH | AT_STATX_FORCE_SYNC
    if (statx(fd, '', flags, STATX_BASIC_STATS, target) === 0) return
    throw new Error(`statx has failed with errno ${koffi.errno()}`)
  }
}

function directWrite(fd: number): () => void {
  const page = allocateAligned(PAGE_SIZE)
  return () => {
    fs.writeSync(fd, page, 0, PAGE_SIZE, 0)
  }
}
