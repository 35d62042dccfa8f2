/**
 * What tells the requests that this program itself causes, through its own mount, from all others: a
 * name that serves once and nobody can guess, and the thread. The kernel names a request's thread by
 * its number in the namespace of the mount, and 0 if it has none there: then the secret must do.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readlinkSync } from 'node:fs'
import type { Caller } from '../../fs/operations.ts'

export function secretName(purpose: string): string {
  return `.oatomic-${purpose}-${randomBytes(16).toString('hex')}`
}

const threadsAreKnown = ownThreadsAreKnown()

export function isOwnThread({ pid }: Caller): boolean {
  return pid === 0 || !threadsAreKnown || existsSync(`/proc/self/task/${String(pid)}`)
}

/** Whether /proc counts processes as this process does. */
function ownThreadsAreKnown(): boolean {
  try {
    return readlinkSync('/proc/self') === String(process.pid)
  } catch {
    return false
  }
}
