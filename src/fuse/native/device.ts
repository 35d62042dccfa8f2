import { readdirSync, readlinkSync } from 'node:fs'
import koffi from 'koffi'

const POLL_MS = 1000
const POLL_ERROR = 0x8
const REVENTS = 6

const poll = koffi.load('libc.so.6').func('int poll(void*, unsigned long, int)')

/** Descriptors of the FUSE device that this process has. */
export function fuseDevices(): ReadonlySet<number> {
  return new Set(readdirSync('/proc/self/fd').map(Number).filter(isFuseDevice))
}

function isFuseDevice(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse'
  } catch {
    return false
  }
}

/**
 * Resolves when the connection of a device is over, or libfuse has closed it; the addon does not tell.
 * Takes a thread of the pool.
 */
export async function connectionEnd(fd: number): Promise<void> {
  while (isFuseDevice(fd) && !(await hasEnded(fd)));
}

async function hasEnded(fd: number): Promise<boolean> {
  const entry = Buffer.alloc(8)
  entry.writeInt32LE(fd, 0)
  await new Promise<void>((resolve) => {
    poll.async(entry, 1, POLL_MS, () => {
      resolve()
    })
  })
  return (entry.readInt16LE(REVENTS) & POLL_ERROR) !== 0
}
