/**
 * What Linux tells about the processes that use the mount: how a process that closes a file ends,
 * and who else has that file open. Read from /proc; nothing here asks the mount itself, which waits
 * for us.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { Ino } from '../store/inode.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { type Descriptor, findDescriptor, readMemory } from './descriptors.ts'
import {
  type Mounts,
  allPids,
  anyOf,
  deviceOf,
  hasMapped,
  mountIdsOf,
  processWrites,
  readOr,
} from './open-writers.ts'
import {
  type ProcessState,
  hasKillPending,
  hasSharedMapping,
  isEnding,
  numberIn,
  parseStat,
  parseStatus,
} from './process-text.ts'
import { isInStatOrWrite, lengthOfWrite } from './system-call.ts'
import { ThreadStatus } from './thread-status.ts'

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

/** How far up a process is looked for that has a file open. */
const ANCESTORS_MAX = 16

/**
 * While a process executes a program it holds a lock that the kernel takes for most of what /proc
 * says about it, and waits for our answer to the FLUSH of each descriptor that it does not pass on.
 * Whoever looked then would wait for himself, with `stat` too, which is twice as quick (seen on 6.18).
 * `status` takes no lock and comes first, therefore: a process that ends has no program to execute any
 * more, and one that waits for us as it runs one program does not begin another (its threads cannot
 * either: that needs the end of this one).
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
