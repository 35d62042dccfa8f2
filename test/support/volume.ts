/** A filesystem on any device, without a kernel: what tests of the layers below the transport use. */
import { pino } from 'pino'
import type { CallsUnderWay } from '../../src/device/calls-under-way.ts'
import type { Device } from '../../src/device/device.ts'
import { MemoryDevice, emptyImage } from '../../src/device/memory-device.ts'
import { Filesystem } from '../../src/fs/filesystem.ts'
import type { Attributes, Caller, KernelCache, WriteRequest } from '../../src/fs/operations.ts'
import type { Credentials } from '../../src/fs/credentials.ts'
import type { Descriptor } from '../../src/fs/descriptors.ts'
import type { Processes } from '../../src/fs/processes.ts'
import type { ProcessState } from '../../src/fs/process-text.ts'
import type { FilesystemOptions } from '../../src/fs/context.ts'
import type { Scrubber } from '../../src/scrub/scrubber.ts'
import { makeVolumeOn } from '../../src/volume/make.ts'
import { type OpenedVolume, openVolumeOn } from '../../src/volume/open.ts'

export const CALLER: Caller = { uid: 0, gid: 0, pid: 1 }
export const ROOT = 1
export const O_RDWR = 2
export const O_TRUNC = 0o1000

/** Counts nanoseconds, so that every test sees the same times. */
export function testClock(): () => bigint {
  let now = 1_000_000_000n
  return () => (now += 1000n)
}

/** Processes whose end the test decides. */
export class FakeProcesses implements Processes {
  readonly states = new Map<number, ProcessState>()
  otherWriter = false
  /** Processes that have closed everything. */
  readonly closed = new Set<number>()
  /** … that are no more. */
  readonly gone = new Set<number>()
  /** Processes that were killed while they wait. */
  readonly killed = new Set<number>()
  /** Processes that have what they close mapped. */
  readonly mapping = new Set<number>()

  state(pid: number): ProcessState {
    return this.states.get(pid) ?? 'running'
  }

  isKilled(pid: number): boolean {
    return this.killed.has(pid)
  }

  hasMapped(pid: number): boolean {
    return this.mapping.has(pid)
  }

  /** Lengths of the writes that threads are in. */
  readonly writeLengths = new Map<number, number>()

  writeLength(thread: number): Promise<number | undefined> {
    return Promise.resolve(this.writeLengths.get(thread))
  }

  /** Threads that hold the kernel's lock of the inode. */
  readonly locking = new Set<number>()

  asksUnlocked(thread: number): Promise<boolean> {
    return Promise.resolve(!this.locking.has(thread))
  }

  processOf(thread: number): number {
    return thread
  }

  /** Parents, by child. */
  readonly parents = new Map<number, number>()

  lineOf(thread: number): readonly number[] {
    const line: number[] = []
    for (let pid: number | undefined = thread; pid !== undefined; pid = this.parents.get(pid)) {
      line.push(pid)
    }
    return line
  }

  /** Processes that have a further descriptor of what they close. */
  readonly holding = new Set<number>()

  hasDescriptor(pid: number): Promise<boolean> {
    return Promise.resolve(this.holding.has(pid))
  }

  /** Whether a process has a file open for writing; the same for all files unless a test knows better. */
  isWritten: (ino: number) => boolean = () => this.otherWriter

  hasWriter(ino: number): Promise<boolean> {
    return Promise.resolve(this.isWritten(ino))
  }

  /** Of threads that /proc shows to the filesystem. */
  readonly known = new Map<number, Credentials>()

  credentials(pid: number): Credentials | undefined {
    return this.known.get(pid)
  }

  /** Whether everybody sees a mount with other ids. */
  isMapped = false

  seesMapped(): boolean {
    return this.isMapped
  }

  mayHaveWriter(ino: number, likely: readonly number[]): Promise<boolean> {
    return Promise.resolve(this.isWritten(ino) || likely.some((pid) => !this.closed.has(pid)))
  }

  isThere(pid: number): boolean {
    return !this.gone.has(pid)
  }

  /** Open files by their numbers, of any process. */
  readonly descriptors = new Map<number, Descriptor>()
  /** What any address holds. */
  memoryContent: Uint8Array | undefined

  descriptor(_pid: number, descriptor: number): Promise<Descriptor> {
    return Promise.resolve(this.descriptors.get(descriptor) ?? 'closed')
  }

  memory(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.memoryContent)
  }
}

/** A kernel that caches nothing. */
export const NO_KERNEL: KernelCache = {
  invalidate: () => Promise.resolve(),
  writeBack: () => Promise.resolve(),
  collect: () => Promise.resolve(),
  endWriteBacks: () => Promise.resolve(),
  resize: () => Promise.resolve(),
  dropAttributes: () => undefined,
  dropAttributesLater: () => Promise.resolve(),
  touch: () => Promise.resolve(),
  dropName: () => Promise.resolve(),
}

const SILENT = pino({ enabled: false })

export interface TestFilesystem {
  readonly fs: Filesystem
  readonly volume: OpenedVolume
  readonly processes: FakeProcesses
}

export async function makeTestVolume(device: Device): Promise<void> {
  await makeVolumeOn(device, { uid: 0, gid: 0, clock: testClock() })
}

export async function openTestFilesystem(
  device: Device,
  options: Partial<FilesystemOptions> & {
    readOnly?: boolean
    scrubber?: Scrubber
    calls?: CallsUnderWay
    kernel?: KernelCache
  } = {},
): Promise<TestFilesystem> {
  const volume = await openVolumeOn(device, {
    name: 'test',
    readOnly: options.readOnly ?? false,
    clock: testClock(),
    ...(options.calls !== undefined && { calls: options.calls }),
  })
  const processes = new FakeProcesses()
  const fs = new Filesystem({
    engine: volume.engine,
    orphans: volume.orphans,
    hidden: volume.hidden,
    kernel: options.kernel ?? NO_KERNEL,
    processes,
    ...(options.scrubber !== undefined && { scrubber: options.scrubber }),
    options: { newFiles: 'ordinary', noAccessTimes: true, ...options },
    log: SILENT,
  })
  return { fs, volume, processes }
}

export async function freshFilesystem(
  options: Partial<FilesystemOptions> = {},
): Promise<TestFilesystem & { readonly device: MemoryDevice }> {
  const device = new MemoryDevice(emptyImage(1024))
  await makeTestVolume(device)
  return { ...(await openTestFilesystem(device, options)), device }
}

export function writeRequest(offset: number, data: Uint8Array): WriteRequest {
  return {
    offset,
    data,
    fromCache: false,
    killPrivileges: false,
    takeMemory: () => () => undefined,
  }
}

/** Makes an empty file and opens it for reading and writing. */
export async function createFile(
  fs: Filesystem,
  parent: number,
  name: string,
): Promise<{ ino: number; fh: number }> {
  const { attributes, opened } = await fs.create(parent, name, 0o644, O_RDWR, CALLER)
  return { ino: attributes.ino, fh: opened.fh }
}

/** The current content of a file, read through a handle of its own. */
export async function contentOf(fs: Filesystem, ino: number): Promise<Buffer> {
  const { fh } = await fs.open(ino, 0, CALLER)
  const { size } = await fs.getAttributes(ino)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < size; at += 1 << 20) pieces.push(...(await fs.read(fh, at, 1 << 20)))
  await fs.release(fh)
  return Buffer.concat(pieces)
}

/** Names and attributes of everything, by path. */
export async function listTree(fs: Filesystem): Promise<Map<string, Attributes>> {
  const tree = new Map<string, Attributes>()
  const walk = async (ino: number, path: string): Promise<void> => {
    const fh = fs.openDirectory(ino)
    for (const entry of await fs.readDirectory(fh, 0)) {
      if (entry.name === '.' || entry.name === '..') continue
      const attributes = await fs.getAttributes(entry.ino)
      tree.set(`${path}/${entry.name}`, attributes)
      if ((attributes.mode & 0o170000) === 0o040000) await walk(entry.ino, `${path}/${entry.name}`)
    }
    fs.releaseDirectory(fh)
  }
  await walk(ROOT, '')
  return tree
}
