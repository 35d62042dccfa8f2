/**
 * The ioctls by which F2FS offers atomic writes, and which SQLite uses
 * (include/uapi/linux/f2fs.h). They are the same for every regular file, opted in or not.
 */
import { FsError } from '../errors.ts'
import type { IoctlHandler } from './context.ts'
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

const WORK = [
  [START_ATOMIC_WRITE, startTransaction],
  [COMMIT_ATOMIC_WRITE, commitTransaction],
  [ABORT_ATOMIC_WRITE, abortTransaction],
  [START_ATOMIC_REPLACE, replaceInTransaction],
] as const

export const ATOMIC_IOCTLS: readonly (readonly [number, IoctlHandler])[] = [
  [GET_FEATURES, () => Uint8Array.of(FEATURE_ATOMIC_WRITE, 0, 0, 0)],
  ...WORK.map(([command, work]): readonly [number, IoctlHandler] => [
    command,
    async (context, { fh, isDirectory }, caller) => {
      if (isDirectory) throw new FsError('ENOTTY', 'Directories have no transactions of this kind')
      await work(context, context.files.handleInUse(fh), caller)
      return NOTHING
    },
  ]),
]
