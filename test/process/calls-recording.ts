/** Records the file calls of the real program while it works. */
import { readFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Oracle } from '../crash/oracle.ts'
import { needs, start } from '../mount/support/run.ts'
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

const MOUNT_TIMEOUT_MS = 30_000
const LIFE_MS = 600_000

/** The volume's name in the recorded folder. */
export const VOLUME = 'volume'

export interface CallsRecording {
  readonly events: readonly FileEvent[]
  readonly oracle: Oracle
  /** A history that has nothing applied yet. */
  readonly begin: () => FolderHistory
}

/** A workload on a mounted volume, to its end in order. */
export function recordWorkloadCalls(random: Random, roundCount: number): Promise<CallsRecording> {
  return during(async (lifetime) => {
    await needs('strace', 'strace')
    const folder = makeFolder(lifetime)
    const host = join(folder, 'host')
    mkdirSync(host)
    const volume = join(host, VOLUME)
    await oatomic('make', volume, '--ring-size', '1M')
    const initial = readFolder(host)
    const trace = join(folder, 'trace')
    const mountpoint = await makeHostFolder(lifetime)
    const daemon = await mountTraced(lifetime, trace, volume, mountpoint)
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

async function mountTraced(
  lifetime: Lifetime,
  trace: string,
  volume: string,
  mountpoint: string,
): Promise<ReturnType<typeof start>> {
  const [command = '', ...parameters] = [...straceCommand(trace), ...OATOMIC, 'mount', '-f']
  const daemon = start(command, [...parameters, volume, mountpoint], { timeoutMs: LIFE_MS })
  atEnd(lifetime, () => {
    // The daemon ends when the command that it belongs to has ended.
    daemon.process.kill('SIGKILL')
  })
  const deadline = performance.now() + MOUNT_TIMEOUT_MS
  while (!(await isMounted(mountpoint))) {
    if (performance.now() > deadline) throw new Error('The traced daemon does not mount')
    await sleep(20)
  }
  return daemon
}

export function readCalls(
  host: string,
  trace: string,
  marks: readonly number[],
  initial: FolderState,
): Pick<CallsRecording, 'events' | 'begin'> {
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

export function makeFolder(lifetime: Lifetime): string {
  const folder = mkdtempSync(join(tmpdir(), 'oatomic-calls-'))
  atEnd(lifetime, () => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}
