/** Records the file calls of the real program while it works. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  statfsSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Oracle } from '../crash/oracle.ts'
import { type Running, needs, run, start } from '../mount/support/run.ts'
import { type Lifetime, atEnd, during } from '../support/devices/at-end.ts'
import { isMounted, makeHostFolder } from '../support/loop-disk/host-filesystem.ts'
import type { Random } from '../support/random.ts'
import { OATOMIC, oatomic } from './binary.ts'
import { FileCalls, type FileEvent } from './file-calls.ts'
import type { FolderState } from './folder-cuts.ts'
import { readFolder } from './folder-files.ts'
import { FolderHistory } from './folder-history.ts'
import { Session } from './session.ts'
import { readTrace, straceCommand } from './strace.ts'
import { Worker } from './worker.ts'
import { runWorkload } from './workload.ts'

const MEMORY_FOLDER = '/dev/shm'
const MEMORY_BYTES_MIN = 1024 ** 3
const MOUNT_TIMEOUT_MS = 30_000
const LIFE_MS = 600_000

/** The ring is written with zeros, of which there are many. */
const MAKING_STRING_SIZE = 64 * 1024

/** The volume's name in the recorded folder. */
export const VOLUME = 'volume'

export interface FolderRecording {
  readonly events: readonly FileEvent[]
  /** A history that has nothing applied yet. */
  readonly begin: () => FolderHistory
}

export interface CallsRecording extends FolderRecording {
  readonly oracle: Oracle
}

/** How a volume is made. */
export type Making = 'make' | 'mount -o create'

/** A workload on a mounted volume, to its end in order. */
export function recordWorkloadCalls(random: Random, roundCount: number): Promise<CallsRecording> {
  return during(async (lifetime) => {
    await needs('strace', 'strace')
    const { host, trace } = makeHost(lifetime)
    const volume = join(host, VOLUME)
    await oatomic('make', volume, '--ring-size', '1M')
    const initial = readFolder(host)
    const mountpoint = await makeHostFolder(lifetime)
    const daemon = await mountTraced(lifetime, straceCommand(trace), [volume, mountpoint])
    const marks: number[] = []
    const worker = new Worker(lifetime, mountpoint)
    const session = new Session(worker, () => {
      marks.push(statSync(trace).size)
      return Promise.resolve()
    })
    await runWorkload(session, random, roundCount)
    await worker.end()
    await oatomic('unmount', mountpoint)
    await daemon.ended
    return { oracle: session.oracle, ...readCalls(host, trace, marks, initial) }
  })
}

/** A new volume, made and closed. There is one mark, when that was done. */
export function recordMakingCalls(how: Making): Promise<FolderRecording> {
  return during(async (lifetime) => {
    await needs('strace', 'strace')
    const { host, trace } = makeHost(lifetime)
    const volume = join(host, VOLUME)
    const traced = straceCommand(trace, MAKING_STRING_SIZE)
    const marks: number[] = []
    if (how === 'make') {
      const [command = '', ...parameters] = [...traced, ...OATOMIC]
      await run(command, [...parameters, 'make', volume, '--ring-size', '1M'])
      marks.push(statSync(trace).size)
    } else {
      const mountpoint = await makeHostFolder(lifetime)
      const daemon = await mountTraced(lifetime, traced, ['-o', 'create', volume, mountpoint])
      marks.push(statSync(trace).size)
      await oatomic('unmount', mountpoint)
      await daemon.ended
    }
    return readCalls(host, trace, marks, new Map())
  })
}

/** Mounts in the foreground; the mount point is the last parameter. */
async function mountTraced(
  lifetime: Lifetime,
  traced: readonly string[],
  wanted: readonly string[],
): Promise<Running> {
  const [command = '', ...parameters] = [...traced, ...OATOMIC, 'mount', '-f', ...wanted]
  const daemon = start(command, parameters, { timeoutMs: LIFE_MS })
  atEnd(lifetime, () => {
    // The daemon ends when the command that it belongs to has ended.
    daemon.process.kill('SIGKILL')
  })
  const deadline = performance.now() + MOUNT_TIMEOUT_MS
  while (!(await isMounted(wanted.at(-1) ?? ''))) {
    if (performance.now() > deadline) throw new Error('The traced daemon does not mount')
    await sleep(20)
  }
  return daemon
}

function makeHost(lifetime: Lifetime): { readonly host: string; readonly trace: string } {
  const folder = makeFolder(lifetime)
  const host = join(folder, 'host')
  mkdirSync(host)
  return { host, trace: join(folder, 'trace') }
}

function readCalls(
  host: string,
  trace: string,
  marks: readonly number[],
  initial: FolderState,
): FolderRecording {
  const calls = new FileCalls(host)
  const files = [...initial].filter(([path]) => path !== '')
  const added = files.map(
    ([path, content]) =>
      [calls.add(path, content?.size ?? 0, content === undefined), content] as const,
  )
  const names = new Map(calls.names)
  const events = [...calls.events(readTrace(readFileSync(trace, 'latin1'), marks))]
  const begin = (): FolderHistory => {
    const history = new FolderHistory(names, calls.folders)
    for (const [file, content] of added) if (content !== undefined) history.add(file, content)
    return history
  }
  return { events, begin }
}

/** In memory where that can be: what a flush does is the model's affair here. */
export function makeFolder(lifetime: Lifetime): string {
  const folder = mkdtempSync(join(hasMemory() ? MEMORY_FOLDER : tmpdir(), 'oatomic-calls-'))
  atEnd(lifetime, () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

function hasMemory(): boolean {
  if (!existsSync(MEMORY_FOLDER)) return false
  const { bavail, bsize } = statfsSync(MEMORY_FOLDER)
  return bavail * bsize >= MEMORY_BYTES_MIN
}
