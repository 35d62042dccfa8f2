/**
 * The ioctls by which F2FS offers atomic writes, and which SQLite uses
 * (include/uapi/linux/f2fs.h). They are the same for every regular file, opted in or not.
 */
import type { FsContext } from './context.ts'
import type { Awaitable, Caller, IoctlRequest } from './operations.ts'
import {
  abortTransaction,
  commitTransaction,
  replaceInTransaction,
  startTransaction,
} from './transactions.ts'

const START_ATOMIC_WRITE = 0xf501
const COMMIT_ATOMIC_WRITE = 0xf502
/** F2FS_IOC_ABORT_VOLATILE_WRITE in older headers. */
const ABORT_ATOMIC_WRITE = 0xf505
const GET_FEATURES = 0x8004_f50c
const START_ATOMIC_REPLACE = 0xf519

const FEATURE_ATOMIC_WRITE = 0x0004

const NOTHING = new Uint8Array(0)

/** Answers the ioctl; undefined if the command is none of these. Throws FsError. */
export function atomicIoctl(
  context: FsContext,
  { fh, isDirectory, command }: IoctlRequest,
  caller: Caller | undefined,
): Awaitable<Uint8Array> | undefined {
  if (command === GET_FEATURES) return Uint8Array.of(FEATURE_ATOMIC_WRITE, 0, 0, 0)
  const work = WORK.get(command)
  if (work === undefined || isDirectory) return undefined
  return work(context, context.files.handleInUse(fh), caller).then(() => NOTHING)
}

const WORK: ReadonlyMap<number, typeof startTransaction> = new Map([
  [START_ATOMIC_WRITE, startTransaction],
  [COMMIT_ATOMIC_WRITE, commitTransaction],
  [ABORT_ATOMIC_WRITE, abortTransaction],
  [START_ATOMIC_REPLACE, replaceInTransaction],
])
