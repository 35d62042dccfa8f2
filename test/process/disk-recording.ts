/** Records what reaches the disk while the real program works on it. */
import { join } from 'node:path'
import type { Oracle } from '../crash/oracle.ts'
import { batchSqlite, newDatabase } from '../mount/support/batch-sqlite.ts'
import { run } from '../mount/support/run.ts'
import { type Lifetime, during } from '../support/devices/at-end.ts'
import type { DiskEvent } from '../support/loop-disk/disk-log.ts'
import {
  type HostKind,
  makeHostFilesystem,
  makeHostFolder,
  mountHost,
  unmountHost,
} from '../support/loop-disk/host-filesystem.ts'
import { LoopDisk } from '../support/loop-disk/loop-disk.ts'
import type { Random } from '../support/random.ts'
import { oatomic } from './binary.ts'
import type { Making } from './calls-recording.ts'
import { Session } from './session.ts'
import { Worker } from './worker.ts'
import { runDatabase, runWorkload } from './workload.ts'

const MIB = 1024 * 1024

/** Room for the ballast, one step of growth of the block file, and LevelDB. */
export const DISK_BYTES: Readonly<Record<HostKind, number>> = {
  ext4: 256 * MIB,
  xfs: 384 * MIB,
}

/** The volume's folder on the filesystem of the disk. */
export const VOLUME = 'volume'

export interface HostRecording {
  readonly kind: HostKind
  readonly events: readonly DiskEvent[]
  /** Events before the first that matters. */
  readonly start: number
}

export interface DiskRecording extends HostRecording {
  readonly oracle: Oracle
}

/** A workload of any kind on a mounted volume, to its end in order. */
export function recordWorkload(
  kind: HostKind,
  random: Random,
  roundCount: number,
): Promise<DiskRecording> {
  return record(kind, (session) => runWorkload(session, random, roundCount))
}

/** The same of SQLite with batch atomic writes. */
export async function recordDatabase(kind: HostKind, roundCount: number): Promise<DiskRecording> {
  const environment = await batchSqlite()
  const database = await newDatabase(environment)
  return record(kind, (session) => runDatabase(session, database, roundCount), environment)
}

function record(
  kind: HostKind,
  play: (session: Session) => Promise<void>,
  environment: Readonly<Record<string, string>> = {},
): Promise<DiskRecording> {
  return during(async (lifetime) => {
    const { disk, folder } = await startHost(lifetime, kind)
    const volume = join(folder, VOLUME)
    await oatomic('make', volume, '--ring-size', '1M')
    const mountpoint = await makeHostFolder(lifetime)
    await oatomic('mount', volume, mountpoint)
    const start = disk.record().length
    const worker = new Worker(lifetime, mountpoint, environment)
    const session = new Session(worker, () => disk.mark(''))
    await play(session)
    await worker.end()
    await oatomic('unmount', mountpoint)
    await unmountHost(folder)
    return { kind, events: disk.record(), start, oracle: session.oracle }
  })
}

/** A new volume, made and closed. There is one mark, when that was done. */
export function recordMaking(kind: HostKind, how: Making): Promise<HostRecording> {
  return during(async (lifetime) => {
    const { disk, folder } = await startHost(lifetime, kind)
    // Or the filesystem's own first steps would be cut most of the time.
    await run('sync', ['--file-system', folder])
    const start = disk.record().length
    const volume = join(folder, VOLUME)
    if (how === 'make') {
      await oatomic('make', volume, '--ring-size', '1M')
      await disk.mark('')
    } else {
      const mountpoint = await makeHostFolder(lifetime)
      await oatomic('mount', '-o', 'create', volume, mountpoint)
      await disk.mark('')
      await oatomic('unmount', mountpoint)
    }
    await unmountHost(folder)
    return { kind, events: disk.record(), start }
  })
}

/** A recorded disk with a filesystem on it, mounted. */
async function startHost(
  lifetime: Lifetime,
  kind: HostKind,
): Promise<{ readonly disk: LoopDisk; readonly folder: string }> {
  const disk = await LoopDisk.start(lifetime, { sizeBytes: DISK_BYTES[kind], isRecorded: true })
  await makeHostFilesystem(kind, disk.device)
  const folder = await makeHostFolder(lifetime)
  await mountHost(kind, disk.device, folder)
  return { disk, folder }
}
