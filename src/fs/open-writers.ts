/** Which processes have a file of this mount open for writing, by their `/proc/PID/fdinfo`. */
import { closeSync, openSync, readFileSync, readSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Ino } from '../store/inode.ts'
import { mountIdsOfDevice, mountsIn } from './descriptors.ts'
import { parseStatus } from './process-text.ts'

/** How often a process that is between two programs is looked at again. */
const EXEC_POLL_MS = 1
const EXEC_POLL_COUNT_MAX = 2000

/** How long processes are looked at before others have their turn. */
const SLICE_MS = 5

const WRITE_FLAGS = 0o3

/** Where this filesystem is mounted. */
export interface Mounts {
  /** As mountinfo has it: the same in all namespaces. */
  readonly device: string | undefined
  /** Ids of all places in our namespace: bind mounts have their own. */
  readonly ids: ReadonlySet<string>
}

/** Reads `/proc/PID/mountinfo`: the device that is mounted on a path. Both are byte strings. */
export function deviceOf(mountinfo: string, mountpoint: string): string | undefined {
  return mountsIn(mountinfo).findLast((fields) => unescape(fields[4] ?? '') === mountpoint)?.[2]
}

/**
 * Reads `/proc/self/mountinfo`: ids of all mounts of what is mounted on a path. Both are byte
 * strings.
 */
export function mountIdsOf(mountinfo: string, mountpoint: string): Set<string> {
  const device = deviceOf(mountinfo, mountpoint)
  return device === undefined ? new Set() : mountIdsOfDevice(mountinfo, device)
}

/** Whether `/proc/PID/mountinfo` has a mount of a device that is mapped to other ids. */
export function hasMapped(mountinfo: string, device: string): boolean {
  return mountsIn(mountinfo).some(
    (fields) => fields[2] === device && fields[5]?.split(',').includes('idmapped') === true,
  )
}

/** But this one's, which opens files of its own mount for its own ends. */
export const allPids = (): readonly string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))

/** Asks one after the other, and lets others have the event loop in between. */
export async function anyOf(
  pids: readonly string[],
  test: (pid: string) => Promise<boolean>,
): Promise<boolean> {
  let begun = performance.now()
  for (const pid of pids) {
    if (await test(pid)) return true
    if (performance.now() - begun < SLICE_MS) continue
    await nextTurn()
    begun = performance.now()
  }
  return false
}

const buffer = Buffer.alloc(4096)

/**
 * The beginning of a file below /proc; nothing if it is not there. There are thousands of them, and a
 * thread of the pool for each would take seconds on a busy machine, in which the dead are not buried.
 */
export function readOr(path: string): string {
  try {
    const fd = openSync(`/proc/${path}`, 'r')
    try {
      return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0))
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}

/** Waits until a process is not between two programs, or gone; not for ever. */
async function programRuns(pid: string): Promise<void> {
  for (let count = 0; count < EXEC_POLL_COUNT_MAX; count++) {
    if (parseStatus(readOr(`${pid}/status`)) !== 'executing') return
    await sleep(EXEC_POLL_MS)
  }
}

/** mountinfo writes a space as \040 and so on. */
function unescape(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  )
}

/** Neither `fdinfo` nor what is in it takes the lock of a process that executes a program. */
export async function processWrites(pid: string, ino: Ino, mounts: Mounts): Promise<boolean> {
  await programRuns(pid)
  const infos = descriptorsOf(pid)
    .map((fd) => readOr(`${pid}/fdinfo/${fd}`))
    .filter((info) => isOfInode(info, ino))
  if (infos.some((info) => isWriter(info, ino, mounts.ids))) return true
  if (infos.length === 0) return false
  const elsewhere = mountIdsFor(pid, mounts)
  return infos.some((info) => isWriter(info, ino, elsewhere))
}

function descriptorsOf(pid: string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`)
  } catch {
    return []
  }
}

/** The same filesystem may be mounted in the process's own namespace. */
function mountIdsFor(pid: string, { device }: Mounts): ReadonlySet<string> {
  if (device === undefined) return new Set()
  try {
    return mountIdsOfDevice(readFileSync(`/proc/${pid}/mountinfo`, 'latin1'), device)
  } catch {
    return new Set()
  }
}

const valueIn = (info: string, name: string): string =>
  new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(info)?.[1] ?? ''

const isOfInode = (info: string, ino: Ino): boolean => info.includes(`\nino:\t${ino}\n`)

/** Reads `/proc/PID/fdinfo/FD`: whether that is a file of these mounts, open for writing. */
export function isWriter(info: string, ino: Ino, mountIds: ReadonlySet<string>): boolean {
  if (!isOfInode(info, ino) || !mountIds.has(valueIn(info, 'mnt_id'))) return false
  return (parseInt(valueIn(info, 'flags'), 8) & WRITE_FLAGS) !== 0
}
