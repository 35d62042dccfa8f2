/** What must be true of a mount point before something is mounted on it. */
import { realpath, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { type ErrnoCode, FsError } from '../../errors.ts'
import type { MountNote } from './mount-note.ts'
import { type MountTableEntry, findMount } from './mount-table.ts'
import { unmount } from './unmount.ts'

const STAT_TIMEOUT_MS = 5_000

/** There was a mount to come back to, and somebody has unmounted it. */
export class UnmountedError extends FsError {
  constructor(mountpoint: string) {
    super('ENODEV', `Cannot mount on "${mountpoint}" again: somebody has unmounted it`)
  }
}

/**
 * Checks the mount point, and takes away what a killed daemon has left there. With a note of earlier
 * lives it throws UnmountedError when somebody was faster. Returns its absolute path. Throws FsError
 * ENOENT, ENOTDIR, EBUSY.
 */
export async function prepareMountpoint(mountpoint: string, note?: MountNote): Promise<string> {
  const target = await resolveMountpoint(mountpoint)
  let mayBeBare = note?.explainsBare ?? true
  let state = await stateOf(target)
  if (isDead(state)) {
    note?.clearing()
    // Its watchdog or its user may be taking it away just now.
    const isCleared = await unmount(target, { lazy: true }).then(
      () => true,
      () => false,
    )
    mayBeBare ||= isCleared
    state = await stateOf(target)
  }
  await refuseUnusable(target, state)
  if (!mayBeBare) throw new UnmountedError(target)
  return target
}

/** Checks the mount point as `prepareMountpoint` does, and leaves it as it is. */
export async function inspectMountpoint(mountpoint: string, note?: MountNote): Promise<string> {
  const target = await resolveMountpoint(mountpoint)
  const state = await stateOf(target)
  if (isDead(state)) {
    note?.mounted()
    return target
  }
  await refuseUnusable(target, state)
  if (note?.explainsBare === false) throw new UnmountedError(target)
  return target
}

/** Whether a volume's mount is there without a daemon. */
export async function isDeadMount(mountpoint: string, volume: string): Promise<boolean> {
  const present = await findMount(mountpoint)
  if (present === undefined || !(await isMountOf(present, volume))) return false
  return isDead(await stateOf(mountpoint))
}

/** Whether it is a mount of this volume, whose path is without symbolic links. */
export async function isMountOf(
  { type, source }: MountTableEntry,
  volume: string,
): Promise<boolean> {
  if (type !== 'fuse.oatomic') return false
  return source === volume || (await realpath(source).catch(() => source)) === volume
}

const isDead = (state: string): boolean => state === 'ENOTCONN' || state === 'ECONNABORTED'

async function refuseUnusable(target: string, state: string): Promise<void> {
  if (state !== 'directory') throw refusal(target, state)
  const present = await findMount(target)
  if (present !== undefined && /^fuse(\.|$)/.test(present.type)) {
    throw new FsError('EBUSY', `Cannot mount on "${target}": "${present.source}" is mounted there`)
  }
}

/** The path without symbolic links, the last name apart: a dead mount cannot be looked into. */
export async function resolveMountpoint(mountpoint: string): Promise<string> {
  const absolute = path.resolve(mountpoint)
  try {
    return await realpath(absolute)
  } catch (error) {
    if (!isDead(codeOf(error))) throw refusal(absolute, codeOf(error))
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
