/**
 * What Linux tells about the processes that use the mount: how a process that closes a file ends,
 * and who else has that file open. Read from /proc; nothing here asks the mount itself, which waits
 * for us.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Ino } from '../store/inode.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import {
  type Descriptor,
  findDescriptor,
  mountIdsOfDevice,
  mountsIn,
  readMemory,
} from './descriptors.ts'
import { isInStatOrWrite, lengthOfWrite } from './system-call.ts'
import { ThreadStatus } from './thread-status.ts'

/** `unknown`: another user's process that /proc hides, or one in another pid namespace. */
export type ProcessState = 'running' | 'exited' | 'died' | 'unknown'

export interface Processes {
  state(pid: number): ProcessState
  /** Whether a thread that waits for us was killed meanwhile, so that no answer reaches its program. */
  isKilled(pid: number): boolean
  /** Whether a process has a shared mapping of a file, which outlives its descriptors. */
  hasMapped(pid: number, ino: Ino): boolean
  /** The process that a thread belongs to; the number itself where that cannot be seen. */
  processOf(thread: number): number
  /** The process that a thread belongs to, its parent, and so on. */
  lineOf(thread: number): readonly number[]
  /**
   * Whether a thread that asks for attributes does so without the kernel's lock of the inode, so that the
   * answer may wait for what takes that lock: it is in stat(2) or write(2), and not in setxattr(2), which
   * checks permissions under the lock, or lseek(2).
   */
  asksUnlocked(thread: number): Promise<boolean>
  /** How much the write(2) or pwrite(2) writes in all that a thread waits in; undefined for others. */
  writeLength(thread: number): Promise<number | undefined>
  /**
   * Whether this process has a descriptor of a file of this mount, open for writing, or may have. A
   * program that is giving way to another has none any more.
   */
  hasDescriptor(pid: number, ino: Ino): Promise<boolean>
  /** Whether any process has a file of this mount open for writing. */
  hasWriter(ino: Ino): Promise<boolean>
  /** Groups and capabilities of a thread; undefined for one that cannot be seen. */
  credentials(pid: number): Credentials | undefined
  /**
   * Whether a thread sees a mount of this filesystem that is mapped to other ids; when in doubt it
   * does. A request does not say which mount it came through.
   */
  seesMapped(pid: number): boolean
  /**
   * Whether any process may have it open for writing: one that ends closes what it has without /proc
   * showing it any more. Those of `likely` are asked first.
   */
  mayHaveWriter(ino: Ino, likely: readonly number[]): Promise<boolean>
  /** Whether a thread has a number that is still taken. */
  isThere(pid: number): boolean
  /** What a number of a thread's open files refers to. */
  descriptor(pid: number, descriptor: number): Promise<Descriptor>
  /** Bytes of a thread's memory; undefined where they cannot be seen. */
  memory(pid: number, address: bigint, lengthBytes: number): Promise<Uint8Array | undefined>
}

/** How often a process that is between two programs is looked at again. */
const EXEC_POLL_MS = 1
const EXEC_POLL_COUNT_MAX = 2000

/** How far up a process is looked for that has a file open. */
const ANCESTORS_MAX = 16

/** How long processes are looked at before others have their turn. */
const SLICE_MS = 5

/** PF_EXITING in a task's flags. */
const EXITING = 0x4
const FLAGS_FIELD = 9
const EXIT_CODE_FIELD = 52
const WRITE_FLAGS = 0o3
const SIGKILL_BIT = 1 << 8

/** Reads `/proc/PID/stat`. Fields are counted from 1, as proc(5) does. */
export function parseStat(stat: string): ProcessState {
  // The name of the command may hold anything, spaces and parentheses too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  if (!Number.isInteger(field(FLAGS_FIELD)) || !Number.isInteger(field(EXIT_CODE_FIELD))) {
    return 'unknown'
  }
  if ((field(FLAGS_FIELD) & EXITING) === 0) return 'running'
  return field(EXIT_CODE_FIELD) === 0 ? 'exited' : 'died'
}

type Phase = 'running' | 'executing' | 'ending'

/**
 * Reads `/proc/PID/status`. A process gives up its memory before its descriptors when it ends, and
 * gets a new and empty one before those that are not passed on are closed when it executes a program.
 */
export function parseStatus(status: string): Phase {
  if (!/^VmSize:/m.test(status)) return 'ending'
  return /^VmExe:\s*0 kB$/m.test(status) ? 'executing' : 'running'
}

/**
 * Reads `/proc/PID/status`: whether a process may have more open than /proc shows, because it is giving
 * up what it has, or has threads left without its first one. Kernel threads have no memory either.
 */
export function isEnding(status: string): boolean {
  const isKernel = /^Kthread:/m.test(status)
    ? /^Kthread:\s*1$/m
    : /^(?:PPid:\s*2|Name:\s*kthreadd)$/m
  if (status === '' || isKernel.test(status) || parseStatus(status) !== 'ending') return false
  return !/^State:\s*[ZX]/m.test(status) || !/^Threads:\s*[01]$/m.test(status)
}

/** Reads `/proc/PID/status`: whether SIGKILL, which any deadly signal becomes, waits to be seen. */
export function hasKillPending(status: string): boolean {
  const pending = /^SigPnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? ''
  return (parseInt(pending.slice(-8), 16) & SIGKILL_BIT) !== 0
}

/** Reads a number out of `/proc/PID/status`; 0 if it is not there. */
function numberIn(status: string, name: 'Tgid' | 'PPid'): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(status)?.[1] ?? 0)
}

/** Reads `/proc/PID/maps`: `address permissions offset device inode path` on each line. */
export function hasSharedMapping(maps: string, ino: Ino): boolean {
  return maps.split('\n').some((line) => {
    const [, permissions, , , inode] = line.split(/ +/, 5)
    return inode === String(ino) && permissions?.endsWith('s') === true
  })
}

/**
 * While a process executes a program it holds a lock that the kernel takes for most of what /proc
 * says about it, and waits for our answer to the FLUSH of each descriptor that it does not pass on.
 * Whoever looked then would wait for himself. `status` takes no lock and comes first, therefore: a
 * process that ends has no program to execute any more, and one that waits for us as it runs one
 * program does not begin another (its threads cannot either: that needs the end of this one).
 */
export class ProcFilesystem implements Processes {
  private readonly mountpoint: string
  private device: string | undefined
  private readonly status = new ThreadStatus()
  /** As it was last seen: a mount that was taken out of sight is still in use. */
  private lastMounts: Mounts = { device: undefined, ids: new Set() }

  constructor(mountpoint: string) {
    this.mountpoint = mountpoint
  }

  /** Now the mount can be seen. `device` is what is mounted, as `major:minor`. */
  noteMounted(device: string): void {
    this.device = device
    this.mounts()
  }

  state(pid: number): ProcessState {
    if (pid <= 0) return 'unknown'
    try {
      if (parseStatus(this.status.read(pid)) !== 'ending') return 'running'
      return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    } catch {
      return 'unknown'
    }
  }

  isKilled(pid: number): boolean {
    if (pid <= 0) return false
    try {
      return hasKillPending(this.status.read(pid))
    } catch {
      return false
    }
  }

  /** By the inode number alone: a file elsewhere with the same one only makes us look closer. */
  hasMapped(pid: number, ino: Ino): boolean {
    if (pid <= 0) return false
    try {
      if (parseStatus(this.status.read(pid)) !== 'running') return false
      return hasSharedMapping(readFileSync(`/proc/${pid}/maps`, 'latin1'), ino)
    } catch {
      return false
    }
  }

  processOf(thread: number): number {
    return this.lineOf(thread, 1)[0] ?? thread
  }

  lineOf(thread: number, countMax = ANCESTORS_MAX): readonly number[] {
    const line: number[] = []
    try {
      for (let pid = thread; pid > 0 && line.length < countMax;) {
        // Only this file is safe to read of a process that may wait for us.
        const status = readFileSync(`/proc/${pid}/status`, 'latin1')
        line.push(numberIn(status, 'Tgid'))
        pid = numberIn(status, 'PPid')
      }
    } catch {
      // One that /proc hides, or that has ended, ends the line.
    }
    return line
  }

  async asksUnlocked(thread: number): Promise<boolean> {
    return isInStatOrWrite(thread)
  }

  async writeLength(thread: number): Promise<number | undefined> {
    return lengthOfWrite(thread)
  }

  async hasDescriptor(pid: number, ino: Ino): Promise<boolean> {
    try {
      const phase = parseStatus(this.status.read(pid))
      if (phase !== 'running') return phase === 'ending'
      return await processWrites(String(pid), ino, this.mounts())
    } catch {
      return true
    }
  }

  async hasWriter(ino: Ino): Promise<boolean> {
    const mounts = this.mounts()
    return anyOf(allPids(), async (pid) => processWrites(pid, ino, mounts))
  }

  async mayHaveWriter(ino: Ino, likely: readonly number[]): Promise<boolean> {
    const mounts = this.mounts()
    // In this order: who is not ending afterwards has shown all that it has.
    return anyOf(
      [...likely.map(String), ...allPids()],
      async (pid) => (await processWrites(pid, ino, mounts)) || isEnding(readOr(`${pid}/status`)),
    )
  }

  isThere(pid: number): boolean {
    return existsSync(`/proc/${pid}`)
  }

  credentials(pid: number): Credentials | undefined {
    return readCredentials(pid)
  }

  seesMapped(pid: number): boolean {
    try {
      const own = readFileSync('/proc/self/mountinfo', 'latin1')
      const device = deviceOf(own, Buffer.from(this.mountpoint).toString('latin1'))
      if (device === undefined) return true
      return hasMapped(readFileSync(`/proc/${pid}/mountinfo`, 'latin1'), device)
    } catch {
      return true
    }
  }

  descriptor(pid: number, descriptor: number): Promise<Descriptor> {
    return findDescriptor(pid, descriptor, this.device)
  }

  memory(pid: number, address: bigint, lengthBytes: number): Promise<Uint8Array | undefined> {
    return readMemory(pid, address, lengthBytes)
  }

  private mounts(): Mounts {
    const path = Buffer.from(this.mountpoint).toString('latin1')
    const mountinfo = readFileSync('/proc/self/mountinfo', 'latin1')
    const device = deviceOf(mountinfo, path)
    const isSame = device !== undefined && device === (this.device ?? device)
    if (isSame) this.lastMounts = { device, ids: mountIdsOf(mountinfo, path) }
    return this.lastMounts
  }
}

/** Where this filesystem is mounted. */
interface Mounts {
  /** As mountinfo has it: the same in all namespaces. */
  readonly device: string | undefined
  /** Ids of all places in our namespace: bind mounts have their own. */
  readonly ids: ReadonlySet<string>
}

/** Reads `/proc/PID/mountinfo`: the device that is mounted on a path. Both are byte strings. */
function deviceOf(mountinfo: string, mountpoint: string): string | undefined {
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
const allPids = (): readonly string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))

/** Asks one after the other, and lets others have the event loop in between. */
async function anyOf(
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
function readOr(path: string): string {
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
async function processWrites(pid: string, ino: Ino, mounts: Mounts): Promise<boolean> {
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
