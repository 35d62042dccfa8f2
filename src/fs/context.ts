/** What all parts of the filesystem share. */
import type { Logger } from 'pino'
import type { Scrubber } from '../scrub/scrubber.ts'
import type { Ino } from '../store/inode.ts'
import type { Engine } from '../txn/engine.ts'
import type { Reaper } from '../txn/reaper.ts'
import type { AccessTimes, AccessTimesKept } from './access-times.ts'
import type { FileTable } from './file-table.ts'
import type { FolderTransactions } from './folder-transactions.ts'
import type { KernelAttributes } from './kernel-attributes.ts'
import type { Awaitable, Caller, IoctlRequest, KernelCache } from './operations.ts'
import type { Processes } from './processes.ts'
import type { References } from './references.ts'
import type { UnderWay } from './under-way.ts'

export interface FilesystemOptions extends AccessTimesKept {
  /** What new files are, wherever they are made, unless their folder says more. */
  readonly newFiles: 'ordinary' | 'shared' | 'isolated'
}

export interface FsContext {
  readonly engine: Engine
  readonly reaper: Reaper
  readonly files: FileTable
  readonly references: References
  readonly accessTimes: AccessTimes
  readonly transactions: FolderTransactions
  /** Directories that are being removed with all that is in them. */
  readonly doomed: Set<Ino>
  readonly kernel: KernelCache
  readonly kernelAttributes: KernelAttributes
  /** While the kernel still has to learn that a file has changed. */
  readonly changeTimes: UnderWay
  readonly processes: Processes
  /** None where a volume is only used by a test. */
  readonly scrubber?: Scrubber
  readonly options: FilesystemOptions
  readonly log: Logger
}

/** Does what one number of ioctl(2) asks; returns what it gives back. Throws FsError. */
export type IoctlHandler = (
  context: FsContext,
  request: IoctlRequest,
  caller: Caller | undefined,
) => Awaitable<Uint8Array>

/** Runs a change of metadata in one tick, at once if the journal has room for it, else when it has. */
export function whenRoom<Value>(
  context: FsContext,
  work: () => Awaitable<Value>,
): Awaitable<Value> {
  const { engine } = context
  engine.health.assertWritable()
  return engine.hasRoom ? work() : afterRoom(context, work)
}

async function afterRoom<Value>(
  { engine }: FsContext,
  work: () => Awaitable<Value>,
): Promise<Value> {
  while (!engine.hasRoom) await engine.room()
  engine.health.assertWritable()
  return work()
}
