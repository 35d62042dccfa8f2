/** The ioctls that are offered, by number. */
import { FsError } from '../errors.ts'
import { ATOMIC_IOCTLS } from './atomic-ioctls.ts'
import type { FsContext, IoctlHandler } from './context.ts'
import { EXCHANGE_IOCTLS } from './exchange.ts'
import { FOLDER_IOCTLS } from './folder-ioctl.ts'
import { FLAGS_IOCTLS } from './inode-flags.ts'
import type { Awaitable, Caller, IoctlRequest } from './operations.ts'

const TABLE: ReadonlyMap<number, IoctlHandler> = new Map([
  ...FLAGS_IOCTLS,
  ...ATOMIC_IOCTLS,
  ...EXCHANGE_IOCTLS,
  ...FOLDER_IOCTLS,
])

/** Throws FsError ENOTTY for a number that is unknown, and what its handler throws. */
export function ioctl(
  context: FsContext,
  request: IoctlRequest,
  caller: Caller | undefined,
): Awaitable<Uint8Array> {
  const handler = TABLE.get(request.command)
  if (handler !== undefined) return handler(context, request, caller)
  throw new FsError('ENOTTY', `ioctl 0x${request.command.toString(16)} is not offered`)
}
