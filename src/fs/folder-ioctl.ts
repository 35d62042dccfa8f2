/**
 * Folder transactions as ioctls on a handle of the folder, which the transaction belongs to:
 *
 *   copy     _IOR(0xb7, 1, 64 bytes)  begins, and goes on each time that it is called; answers with whether
 *                                     the copy is whole (u32, 1 or 0), the length of the secret name (u32)
 *                                     and the name: FOLDER/NAME/tree is the copy
 *   commit   _IO(0xb7, 2)             puts the copy in the folder's place
 *
 * Closing the handle before that gives the copy up.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FsError } from '../errors.ts'
import type { FsContext, IoctlHandler } from './context.ts'
import type { FolderTransaction } from './folder-transaction.ts'
import type { Caller, IoctlRequest } from './operations.ts'

export const FOLDER_COPY = 0x8040_b701
export const FOLDER_COMMIT = 0xb702
export const FOLDER_COPY_SIZE = 64

/** So long one call goes on copying, so that whoever waits for it can be interrupted. */
const SLICE_MS = 50

async function copy(
  context: FsContext,
  request: IoctlRequest,
  caller: Caller | undefined,
): Promise<Uint8Array> {
  const { transactions } = context
  assertFolder(context, request)
  const transaction = await transactions.open(context, request.fh, request.ino, caller)
  return alone(transaction, async () => {
    try {
      return answer(transaction, await copySlice(transaction))
    } catch (error) {
      transactions.end(context, request.fh)
      throw error
    }
  })
}

/** Resolves with whether the copy is whole. */
async function copySlice(transaction: FolderTransaction): Promise<boolean> {
  const started = performance.now()
  while (await transaction.step()) {
    await nextTurn()
    if (performance.now() - started > SLICE_MS) return false
  }
  return true
}

async function commit(context: FsContext, request: IoctlRequest): Promise<Uint8Array> {
  const { transactions } = context
  assertFolder(context, request)
  await alone(transactions.get(request.fh), () => transactions.commit(context, request.fh))
  return new Uint8Array(0)
}

function assertFolder({ files }: FsContext, { ino, fh, isDirectory }: IoctlRequest): void {
  if (!isDirectory) throw new FsError('ENOTDIR', 'Only a directory is changed in a transaction')
  if (files.directory(fh).ino !== ino)
    throw new FsError('EBADF', `Handle ${fh} is of another inode`)
}

/** One call at a time. Throws FsError EAGAIN while another one is under way. */
async function alone<Value>(
  transaction: FolderTransaction,
  work: () => Promise<Value>,
): Promise<Value> {
  if (transaction.isBusy)
    throw new FsError('EAGAIN', 'Another call of the transaction is under way')
  transaction.isBusy = true
  try {
    return await work()
  } finally {
    transaction.isBusy = false
  }
}

function answer({ secret }: FolderTransaction, isWhole: boolean): Uint8Array {
  const out = Buffer.alloc(FOLDER_COPY_SIZE)
  out.writeUInt32LE(Number(isWhole), 0)
  out.writeUInt32LE(secret.length, 4)
  out.write(secret, 8, 'latin1')
  return out
}

export const FOLDER_IOCTLS: readonly (readonly [number, IoctlHandler])[] = [
  [FOLDER_COPY, copy],
  [FOLDER_COMMIT, commit],
]
