/**
 * XFS_IOC_EXCHANGE_RANGE, and XFS_IOC_COMMIT_RANGE, which does the same if the second file is still as
 * XFS_IOC_START_COMMIT has seen it. The first file is named by a descriptor of the caller; the second is
 * the one that the ioctl comes through.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { INODE_HAS_XATTRS, type Inode, isDirectory, isFile } from '../store/inode.ts'
import type { Change } from '../txn/change.ts'
import { exchangeLocked } from '../txn/exchange.ts'
import type { Exchange } from '../txn/exchange-ops.ts'
import { currentSize } from '../txn/read.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { assertAlive } from './alive.ts'
import { CAPABILITY, killPrivileges } from './attributes.ts'
import type { FsContext, IoctlHandler } from './context.ts'
import { assertNoTransaction, closedArePublished } from './durable.ts'
import {
  COMMIT_RANGE,
  EXCHANGE_RANGE,
  type ExchangeRequest,
  RANGE_SIZE,
  START_COMMIT,
  decodeExchange,
  rangeOf,
} from './exchange-request.ts'
import { FRESHNESS_SIZE, freshnessOf } from './freshness.ts'
import { membersWith } from './groups.ts'
import { type Stillness, holdStill } from './hold-still.ts'
import { Identity } from './identity.ts'
import { reapIfForgotten } from './namespace.ts'
import {
  type Caller,
  type IoctlRequest,
  OPEN_ACCMODE,
  OPEN_APPEND,
  OPEN_DSYNC,
} from './operations.ts'
import { assertRemappable } from './protection.ts'
import { showSize } from './rollback.ts'

const OPEN_RDWR = 0o2
const OPEN_PATH = 0o10000000

/** How long reads wait for the kernel to know a new size; it may need pages that they hold. */
const SIZE_WAIT_MS = 5

const NOTHING = new Uint8Array(0)

export const EXCHANGE_IOCTLS: readonly (readonly [command: number, handler: IoctlHandler])[] = [
  [EXCHANGE_RANGE, (context, request, caller) => exchange(context, request, caller)],
  [START_COMMIT, startCommit],
  [
    COMMIT_RANGE,
    (context, request, caller) => {
      const freshness = request.input.subarray(RANGE_SIZE, RANGE_SIZE + FRESHNESS_SIZE)
      return exchange(context, request, caller, freshness)
    },
  ],
]

/**
 * Samples the second file. The answer covers the caller's whole argument, of which XFS leaves the first
 * part as it is, and programs have filled that in before: so it is read from the caller's memory.
 */
async function startCommit(
  context: FsContext,
  { ino, isDirectory: isOfDirectory, address }: IoctlRequest,
  caller: Caller | undefined,
): Promise<Uint8Array> {
  if (isOfDirectory) throw new FsError('EISDIR', 'A directory has no ranges')
  const pid = caller?.pid ?? 0
  const begin =
    address === undefined ? undefined : await context.processes.memory(pid, address, RANGE_SIZE)
  if (begin === undefined) throw hidden('memory')
  const file = context.files.file(ino)
  const release = context.files.hold(file)
  try {
    await context.kernel.invalidate(ino)
    const unlock = await file.lock.acquire()
    try {
      return Buffer.concat([begin, freshnessOf(context, file)])
    } finally {
      unlock()
    }
  } finally {
    release()
  }
}

/** With `freshness`, throws FsError EBUSY for a second file that has another content by now. */
async function exchange(
  context: FsContext,
  { ino, fh, isDirectory: isOfDirectory, input }: IoctlRequest,
  caller: Caller | undefined,
  freshness?: Uint8Array,
): Promise<Uint8Array> {
  const request = decodeExchange(input)
  if (caller === undefined) throw hidden('descriptors')
  const { engine, files } = context
  engine.health.assertWritable()
  engine.health.assertDurable()
  const first = await findFirst(context, request, caller)
  const firstInode = aliveInode(context, first.ino)
  const flags = isOfDirectory ? 0 : files.handleInUse(fh).flags
  assertKinds(firstInode, engine.inodes.get(ino))
  assertAccess(first.flags)
  assertAccess(flags)
  const both: Both = { first: files.file(first.ino), second: files.file(ino) }
  const releases = [files.hold(both.first), files.hold(both.second)]
  try {
    const durable = request.durable || ((first.flags | flags) & OPEN_DSYNC) !== 0
    await exchangeFiles(context, { ...request, durable }, both, caller, freshness)
  } finally {
    for (const release of releases) release()
    for (const file of [both.first, both.second]) reapIfForgotten(context, file.ino)
  }
  return NOTHING
}

interface Both {
  readonly first: FileState
  readonly second: FileState
}

/** Throws FsError EBADF, EXDEV, or EOPNOTSUPP where nothing can be found out. */
async function findFirst(
  { processes }: FsContext,
  { descriptor }: ExchangeRequest,
  caller: Caller,
): Promise<{ readonly ino: number; readonly flags: number }> {
  const found = await processes.descriptor(caller.pid, descriptor)
  if (found === 'hidden') throw hidden('descriptors')
  if (found === 'elsewhere') {
    throw new FsError('EXDEV', `Descriptor ${descriptor} is not of this filesystem`)
  }
  if (found === 'closed' || (found.flags & OPEN_PATH) !== 0) {
    throw new FsError('EBADF', `Descriptor ${descriptor} is not open`)
  }
  return found
}

function hidden(what: string): FsError {
  return new FsError('EOPNOTSUPP', `Cannot see the ${what} of the process that asks`)
}

/** It may have been closed, and the file be gone, since its descriptor was looked up. */
function aliveInode(context: FsContext, ino: number): Inode {
  const inode = context.engine.inodes.find(ino)
  if (inode === undefined) throw new FsError('EBADF', `Inode ${ino} does not exist any more`)
  try {
    assertAlive(context, ino)
  } catch (error) {
    throw new FsError('EBADF', `Inode ${ino} does not exist any more`, { cause: error })
  }
  return inode
}

function assertKinds(...inodes: readonly Inode[]): void {
  for (const inode of inodes) {
    if (isDirectory(inode)) throw new FsError('EISDIR', 'A directory has no ranges')
  }
  for (const inode of inodes) {
    if (!isFile(inode)) throw new FsError('EINVAL', `Inode ${inode.ino} is not a regular file`)
  }
}

function assertAccess(flags: number): void {
  if ((flags & OPEN_ACCMODE) !== OPEN_RDWR || (flags & OPEN_APPEND) !== 0) {
    throw new FsError(
      'EBADF',
      'Both files are to be open for reading and writing, not for appending',
    )
  }
}

async function exchangeFiles(
  context: FsContext,
  request: ExchangeRequest,
  both: Both,
  caller: Caller,
  freshness: Uint8Array | undefined,
): Promise<void> {
  const { engine } = context
  await closedArePublished(context)
  const files = [...new Set([both.first, both.second])]
  const others = [...new Set(files.flatMap((file) => membersWith(context, file)))].filter(
    (file) => !files.includes(file),
  )
  const still = await holdStill(context, files, others)
  const before = new Map(files.map((file) => [file, currentSize(engine, file)]))
  let isDone = false
  try {
    isDone = await exchangeStill(context, request, { ...both, others }, caller, freshness)
  } finally {
    still.unlock()
    if (!isDone) still.release()
  }
  if (!isDone) return
  try {
    if (request.durable) await engine.journal.flush()
  } finally {
    await showExchange(context, before, still)
  }
}

/** Requires: the files' locks are held. Resolves with whether anything has changed. */
async function exchangeStill(
  context: FsContext,
  request: ExchangeRequest,
  { first, second, others }: Both & { readonly others: readonly FileState[] },
  caller: Caller,
  freshness: Uint8Array | undefined,
): Promise<boolean> {
  const { engine } = context
  for (const { ino } of [first, second]) assertRemappable(engine, engine.inodes.get(ino))
  for (const file of [first, second, ...others]) assertNoTransaction(file)
  if (freshness !== undefined && !Buffer.from(freshnessOf(context, second)).equals(freshness)) {
    throw new FsError('EBUSY', `Inode ${second.ino} has changed since the commit was begun`)
  }
  const sizes = [currentSize(engine, first), currentSize(engine, second)] as const
  const range = rangeOf(request, ...sizes, first === second)
  if (range.lengthBytes === 0 || request.dryRun) return false
  const exchanged: Exchange = {
    first,
    second,
    others,
    firstBlock: request.firstOffset / BLOCK_SIZE,
    secondBlock: request.secondOffset / BLOCK_SIZE,
    count: Math.ceil(range.lengthBytes / BLOCK_SIZE),
    writtenOnly: Math.ceil(range.writtenOnly / BLOCK_SIZE),
    ...(range.sizes !== undefined && { sizes: range.sizes }),
  }
  await exchangeLocked(engine, exchanged, {
    soon: request.durable,
    also: (change) => {
      for (const { ino } of [first, second]) dropPrivileges(context, change, ino, caller)
    },
  })
  return true
}

/** As after any write(2). */
function dropPrivileges(context: FsContext, change: Change, ino: number, caller: Caller): void {
  const draft = change.inode(ino)
  const keepsMode = new Identity(context.processes, caller).has('FSETID', draft)
  if (!keepsMode) killPrivileges(context, change, draft, caller)
  else if ((draft.flags & INODE_HAS_XATTRS) !== 0) change.removeXattr(ino, CAPABILITY)
}

/**
 * Has the kernel show what the files have now. Reads go on when it knows the sizes, or a little later;
 * then pages that have got into its cache all the same are dropped.
 */
async function showExchange(
  context: FsContext,
  before: ReadonlyMap<FileState, number>,
  still: Stillness,
): Promise<void> {
  const showing = Promise.all(
    [...before].map(async ([file, size]) => showSize(context, file, size)),
  )
  try {
    await Promise.race([showing, sleep(SIZE_WAIT_MS)])
  } finally {
    still.release()
  }
  await showing
  await Promise.all(
    [...before.keys()].map(async ({ ino }) => {
      await context.kernel.touch?.(context.engine.inodes.get(ino))
      await context.kernel.invalidate(ino)
    }),
  )
}
