/**
 * `oatomic run`: runs a command on a private copy of a folder, and puts that in the folder's place with one
 * commit if the command exits with 0. The daemon makes the copy and commits it
 * (`fs/folder-transaction.ts`); it gives it up when this process ends, however it does.
 */
import { realpath } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ErrnoCode, FsError } from '../errors.ts'
import { readMountTable } from '../fuse/kernel/mount-table.ts'
import { TREE_NAME } from '../fs/tree-clone.ts'
import { runInCopy } from './command-in-copy.ts'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { FolderCall } from './folder-call.ts'
import type { CommandLine } from './parse.ts'

export async function runRun({ positionals, rest }: CommandLine): Promise<number> {
  const folder = await realFolder(positionals[0] ?? '')
  await refuseMountsBelow(folder)
  const call = openFolder(folder)
  try {
    const secret = await copyFolder(call, folder)
    if (typeof secret === 'number') return secret
    const copy = join(folder, secret, TREE_NAME)
    const exitCode = await runInCopy({ folder, copy, command: rest })
    if (exitCode === 0) commit(call, folder)
    return exitCode
  } finally {
    call.close()
  }
}

async function realFolder(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (cause) {
    throw failed(`Cannot find "${path}"`, { cause })
  }
}

/** They would be unmounted with the folder that they are in. */
async function refuseMountsBelow(folder: string): Promise<void> {
  const below = (await readMountTable()).find(({ mountpoint }) =>
    mountpoint.startsWith(`${folder}/`),
  )
  if (below !== undefined) {
    throw failed(`Cannot replace "${folder}": something is mounted on "${below.mountpoint}"`)
  }
}

function openFolder(folder: string): FolderCall {
  try {
    return new FolderCall(folder)
  } catch (cause) {
    throw failed(`Cannot open "${folder}" as a folder`, { cause })
  }
}

/** The secret name; or an exit code, if a signal came. */
async function copyFolder(call: FolderCall, folder: string): Promise<string | number> {
  let signalled: NodeJS.Signals | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    signalled = signal
  }
  const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, onSignal)
  try {
    for (;;) {
      const secret = call.copy()
      await nextTurn()
      if (signalled !== undefined) return 128 + constants.signals[signalled]
      if (secret !== undefined) return secret
    }
  } catch (error) {
    throw explained(error, folder, NOT_COPIED)
  } finally {
    for (const signal of signals) process.off(signal, onSignal)
  }
}

function commit(call: FolderCall, folder: string): void {
  try {
    call.commit()
  } catch (error) {
    throw explained(error, folder, NOT_COMMITTED)
  }
}

type Reasons = Partial<Record<ErrnoCode, string>>

const SAME: Reasons = {
  ENOSPC: 'no space left; nothing was changed',
  EROFS: 'the volume is read-only',
}

const NOT_COPIED: Reasons = {
  ...SAME,
  ENOTTY: 'it is not in an oatomic mount, or in one by fuse-native',
  EOPNOTSUPP: 'it is not in an oatomic mount',
  ENOTDIR: 'it is not a folder',
  EINVAL: 'it is the root of a mount, or the folder of a run itself; take one in it',
  EPERM: 'it has a folder of somebody else, or something that chattr(1) protects',
  EBUSY: 'it was changed while it was copied',
}

const UNKNOWN =
  'the daemon or the disk has failed; look whether the change was made when the volume is mounted again'

const NOT_COMMITTED: Reasons = {
  ...SAME,
  EBUSY: 'others have changed it meanwhile, or have a file of it open that they are writing to',
  ENOTCONN: UNKNOWN,
  ECONNABORTED: UNKNOWN,
  EIO: UNKNOWN,
}

function explained(error: unknown, folder: string, reasons: Reasons): unknown {
  if (!(error instanceof FsError)) return error
  const message = `Cannot change "${folder}": ${reasons[error.code] ?? error.code}`
  const exitCode: ExitCode = error.code === 'EBUSY' ? EXIT.conflict : EXIT.runFailed
  return new CommandError(exitCode, message, { cause: error })
}

function failed(message: string, options?: ErrorOptions): CommandError {
  return new CommandError(EXIT.runFailed, message, options)
}
