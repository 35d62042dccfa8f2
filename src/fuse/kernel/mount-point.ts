/** What must be true of a mount point before something is mounted on it. */
import { realpath, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { type ErrnoCode, FsError } from '../../errors.ts'
import { findMount } from './mount-table.ts'
import { unmount } from './unmount.ts'

const STAT_TIMEOUT_MS = 5_000

/**
 * Checks the mount point, and takes away what a killed daemon has left there. Returns its absolute
 * path. Throws FsError ENOENT, ENOTDIR, EBUSY.
 */
export async function prepareMountpoint(mountpoint: string): Promise<string> {
  const target = await resolveMountpoint(mountpoint)
  let state = await stateOf(target)
  if (state === 'ENOTCONN' || state === 'ECONNABORTED') {
    // Its watchdog may be taking it away just now.
    await unmount(target, { lazy: true }).catch(() => undefined)
    state = await stateOf(target)
  }
  if (state !== 'directory') throw refusal(target, state)
  const present = await findMount(target)
  if (present !== undefined && /^fuse(\.|$)/.test(present.type)) {
    throw new FsError('EBUSY', `Cannot mount on "${target}": "${present.source}" is mounted there`)
  }
  return target
}

/** The path without symbolic links, the last name apart: a dead mount cannot be looked into. */
async function resolveMountpoint(mountpoint: string): Promise<string> {
  const absolute = path.resolve(mountpoint)
  try {
    return await realpath(absolute)
  } catch (error) {
    if (codeOf(error) !== 'ENOTCONN') throw refusal(absolute, codeOf(error))
    return path.join(await realpath(path.dirname(absolute)), path.basename(absolute))
  }
}

/** `'directory'`, `'other'`, `'timeout'` or the code of an error. */
async function stateOf(target: string): Promise<string> {
  try {
    // The kernel answers stat(2) from its cache long after a daemon has died, but never statfs(2).
    const both = Promise.all([statfs(target), stat(target)])
    const [, answer] = (await withTimeout(both, STAT_TIMEOUT_MS)) ?? []
    if (answer === undefined) return 'timeout'
    return answer.isDirectory() ? 'directory' : 'other'
  } catch (error) {
    return codeOf(error)
  }
}

/** Undefined when the promise takes too long; what it does later is not waited for. */
export async function withTimeout<Value>(
  work: Promise<Value>,
  timeoutMs: number,
): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined)
    }, timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function refusal(target: string, state: string): FsError {
  const reasons: Readonly<Record<string, readonly [ErrnoCode, string]>> = {
    ENOENT: ['ENOENT', 'there is no such directory'],
    ENOTDIR: ['ENOTDIR', 'it is not a directory'],
    other: ['ENOTDIR', 'it is not a directory'],
    timeout: ['EBUSY', 'what is mounted there does not answer'],
    EACCES: ['EACCES', 'no permission'],
  }
  const [code, reason] = reasons[state] ?? ['EIO', state]
  return new FsError(code, `Cannot mount on "${target}": ${reason}`)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
