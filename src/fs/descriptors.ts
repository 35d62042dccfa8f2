/**
 * Descriptors of other processes: what a number that stands in an ioctl's argument refers to. Only what
 * `/proc/PID/fdinfo` says counts, for that is one look of the kernel at one open file. The name that
 * `/proc/PID/fd` shows may be anything, and following it would ask this very mount, which waits for us.
 *
 * The caller waits in its ioctl, so its thread's number cannot be somebody else's. Another of its
 * threads may put something else in the place of the number at any moment: then it counts which of
 * both we have seen, as it would for the kernel, and either was the caller's own.
 */
import { open, readFile, readlink } from 'node:fs/promises'
import type { Ino } from '../store/inode.ts'

/** `elsewhere`: not of this mount. `hidden`: /proc does not let us see, or counts otherwise. */
export type Descriptor = OpenDescriptor | 'closed' | 'elsewhere' | 'hidden'

export interface OpenDescriptor {
  readonly ino: Ino
  /** As open(2) takes them, and as fcntl(2) has changed them. */
  readonly flags: number
}

/** Reads `/proc/PID/fdinfo/FD`; undefined if it does not say all of it. */
export function parseFdInfo(
  info: string,
): (OpenDescriptor & { readonly mountId: string }) | undefined {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*(\\d+)$`, 'm').exec(info)?.[1]
  const [ino, flags, mountId] = [field('ino'), field('flags'), field('mnt_id')]
  if (ino === undefined || flags === undefined || mountId === undefined) return undefined
  if (!Number.isSafeInteger(Number(ino)) || !/^[0-7]+$/.test(flags)) return undefined
  return { ino: Number(ino), flags: parseInt(flags, 8), mountId }
}

/** Ids of the mounts of a device, by `/proc/PID/mountinfo`. */
export function mountIdsOfDevice(mountinfo: string, device: string): Set<string> {
  const mounts = mountsIn(mountinfo).filter((fields) => fields[2] === device)
  return new Set(mounts.map(([id]) => id ?? ''))
}

/** `id parent device root mountpoint options …` of each mount. */
export const mountsIn = (mountinfo: string): string[][] =>
  mountinfo.split('\n').map((line) => line.split(' '))

/**
 * Looks a descriptor up. Mounts are those of the caller's namespace, in which the same filesystem may
 * have other ids; one that is mounted nowhere any more is not known by its id, and counts as elsewhere.
 */
export async function findDescriptor(
  pid: number,
  descriptor: number,
  device: string | undefined,
): Promise<Descriptor> {
  if (device === undefined || !(await isCountedAsHere(pid))) return 'hidden'
  if (descriptor < 0) return 'closed'
  const info = await read(`/proc/${pid}/fdinfo/${descriptor}`)
  if (info === 'missing') return 'closed'
  const found = info === 'hidden' ? undefined : parseFdInfo(info.text)
  if (found === undefined) return 'hidden'
  const { mountId, ...file } = found
  // Ours too: a caller that has changed its root does not see all mounts that it has files of.
  for (const viewer of [String(pid), 'self']) {
    const mounts = await read(`/proc/${viewer}/mountinfo`)
    if (typeof mounts === 'string') continue
    if (mountIdsOfDevice(mounts.text, device).has(mountId)) return file
  }
  return 'elsewhere'
}

/** A number of st_dev as mountinfo writes it. */
export function formatDevice(device: number): string {
  const number = BigInt(device)
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn)
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffff_ff00n)
  return `${String(major)}:${String(minor)}`
}

/** Bytes of the memory of a thread; undefined where they cannot be seen. */
export async function readMemory(
  pid: number,
  address: bigint,
  lengthBytes: number,
): Promise<Uint8Array | undefined> {
  const at = Number(address)
  if (!Number.isSafeInteger(at) || !(await isCountedAsHere(pid))) return undefined
  try {
    const memory = await open(`/proc/${pid}/mem`)
    try {
      const target = Buffer.alloc(lengthBytes)
      const { bytesRead } = await memory.read(target, 0, lengthBytes, at)
      return bytesRead === lengthBytes ? target : undefined
    } finally {
      await memory.close()
    }
  } catch {
    return undefined
  }
}

/** Whether /proc has a thread by the number that the kernel gives us; 0 is one of another namespace. */
async function isCountedAsHere(pid: number): Promise<boolean> {
  return pid > 0 && (await readlink('/proc/self').catch(() => '')) === String(process.pid)
}

async function read(path: string): Promise<{ readonly text: string } | 'missing' | 'hidden'> {
  try {
    return { text: await readFile(path, 'latin1') }
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'missing'
      : 'hidden'
  }
}
