/** Plays operations on a filesystem and on the model that the oracle has of it. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FilesystemOperations } from '../../../src/fs/operations.ts'
import { invariant } from '../../../src/errors.ts'
import { Random } from '../../support/random.ts'
import { CALLER, O_RDWR, createFile, writeRequest } from '../../support/volume.ts'
import { codeOf, expectFull } from '../expect.ts'
import * as attributes from '../attribute-steps.ts'
import { exchangeContent } from '../exchange-steps.ts'
import * as files from '../file-steps.ts'
import * as folders from '../folder-steps.ts'
import { useIsolated } from '../isolated-steps.ts'
import { inoAt, isAtomicNode } from '../model.ts'
import * as names from '../name-steps.ts'
import * as transactions from '../transaction-steps.ts'
import type { Session } from '../session.ts'
import { closeDescriptor, endProcess, release, unmap } from './closing.ts'
import { applyEffect } from './effects.ts'
import { Kernel, deliverNode } from './kernel.ts'
import type { Operation, OperationOf, OperationType } from './operations.ts'
import { refusalOf } from './refusals.ts'

type Play<Type extends OperationType> = (
  kernel: Kernel,
  operation: OperationOf<Type>,
) => Promise<void>

export class Player {
  readonly session: Session
  private readonly kernel: Kernel

  constructor(session: Session, isTight = false) {
    this.session = session
    this.kernel = new Kernel(session, isTight)
  }

  /** Plays an operation; one that is not possible is left out, and false returned. */
  async play(operation: Operation): Promise<boolean> {
    const { world } = this.kernel
    if (refusalOf(world, operation) !== undefined) return false
    await playAny(this.kernel, operation)
    if (!TELLS_THE_WORLD.has(operation.type)) applyEffect(world, operation)
    this.kernel.forgetGone()
    return true
  }
}

/** Operations that take handles out of the world as they go, or may have no effect. */
const TELLS_THE_WORLD: ReadonlySet<OperationType> = new Set([
  'close',
  'flush',
  'release',
  'unmap',
  'exit',
  'kill',
  'rework',
])

const PLAYS: { readonly [Type in OperationType]: Play<Type> } = {
  create: async (kernel, { path, handle }) => {
    await files.create(kernel.session, path, handle)
    kernel.known.add(inoAt(kernel.session.oracle.live, path))
  },
  open: async ({ session }, { path, handle }) => files.open(session, path, false, handle),
  reset: async ({ session }, { path, handle }) => files.open(session, path, true, handle),
  share: async () => undefined,

  write: async ({ session }, { handle, offset, length, data }) =>
    files.write(session, handle, offset, bytes(length, data)).catch(expectFull),
  scatter: async ({ session }, { handle, blocks, data }) =>
    files.scatter(session, handle, blocks, bytes(blocks, data)),
  append: async ({ session }, { handle, length, data }) => {
    const end = files.current(session, files.handle(session, handle).ino).length
    await files.write(session, handle, end, bytes(length, data)).catch(expectFull)
  },
  truncate: async ({ session }, { handle, size }) =>
    files.truncate(session, handle, size).catch(expectFull),
  punch: async ({ session }, { handle, offset, length }) =>
    files.zeroRange(session, handle, offset, length, { grows: false }),
  zero: async ({ session }, { handle, offset, length }) =>
    files.zeroRange(session, handle, offset, length, { grows: true }),
  resize: async (kernel, { path, size }) => {
    const ino = inoAt(kernel.session.oracle.live, path)
    const isOpen = kernel.world.handlesOf(kernel.world.node(path) ?? -1).length > 0
    await files.truncateByName(kernel.session, ino, size, isOpen).catch(expectFull)
  },

  map: async () => undefined,
  store: async ({ dirty }, { handle, offset, length, data }) => {
    dirty.set(handle, [...(dirty.get(handle) ?? []), { offset, data: bytes(length, data) }])
  },
  deliver: async (kernel, { handle }) => {
    await deliverHandle(kernel, handle)
  },
  unmap: async (kernel, { handle }) => unmap(kernel, handle),

  fsync: async (kernel, { handles }) => {
    for (const handle of handles) await deliverHandle(kernel, handle)
    await files.fsync(kernel.session, ...handles)
  },
  meanwhile: async (kernel, { handle, path, turns }) => {
    await deliverHandle(kernel, handle)
    const { session } = kernel
    const makeDirectory = names.makeDirectoryAction(session, path)
    await session.oracle.step(files.fsyncAction(session, handle), {
      ...makeDirectory,
      run: async () => {
        for (let turn = 0; turn < turns; turn++) await nextTurn()
        await makeDirectory.run()
      },
    })
  },
  fdatasync: async (kernel, { handle }) => {
    await deliverHandle(kernel, handle)
    const { fs, oracle } = kernel.session
    const operations: FilesystemOperations = fs
    const { fh, ino } = files.handle(kernel.session, handle)
    const run = (): unknown => operations.fsync(fh, true, CALLER)
    await oracle.step({ apply: files.publishing(kernel.session, ino), isDurable: true, run })
  },
  syncdir: async ({ session }) => names.fsyncDirectory(session),

  close: async (kernel, { handle }) => {
    await closeDescriptor(kernel, handle, 'running')
    if (kernel.world.isUnused(handle)) await release(kernel, handle)
  },
  flush: async (kernel, { handle }) => closeDescriptor(kernel, handle, 'running'),
  release: async (kernel, { handle }) => release(kernel, handle),
  exit: async (kernel, { process }) => endProcess(kernel, process, 'exited'),
  kill: async (kernel, { process }) => endProcess(kernel, process, 'died'),

  atomic: async (kernel, { path, on }) => {
    await deliverPath(kernel, path)
    await files.setAtomic(kernel.session, path, on)
  },
  isolated: async (kernel, { path, count, data }) =>
    useIsolated(kernel.session, path, count, new Random(data)),
  onclose: async ({ session }, { path, policy }) => attributes.setOnClose(session, path, policy),
  rollback: async (kernel, { path }) => {
    await deliverPath(kernel, path)
    await files.rollback(kernel.session, path)
  },
  start: async (kernel, { handle }) => startBy(kernel, handle, false),
  startover: async (kernel, { handle }) => startBy(kernel, handle, true),
  complete: async (kernel, { handle }) => {
    await deliverHandle(kernel, handle)
    await transactions.commitTransaction(kernel.session, handle, holderOf(kernel, handle))
  },
  abort: async (kernel, { handle }) => {
    await deliverHandle(kernel, handle)
    await transactions.abort(kernel.session, handle, holderOf(kernel, handle))
  },
  commit: async (kernel, { path }) => {
    await deliverPath(kernel, path)
    await files.commit(kernel.session, path)
  },
  gather: async (kernel, { path, to }) => {
    for (const each of [path, to]) await deliverPath(kernel, each)
    await files.commitTogether(kernel.session, [path, to])
  },
  swap: async (kernel, { handle, other, at, otherAt, blocks, durable }) => {
    for (const each of [handle, other]) await deliverHandle(kernel, each)
    await exchangeContent(kernel.session, [handle, other], { at, otherAt, blocks, durable })
  },
  xattr: async ({ session }, { path, length, data }) =>
    attributes.setXattr(session, path, bytes(length, data)),
  unxattr: async ({ session }, { path }) => attributes.removeXattr(session, path, 'user.test'),
  fill: async ({ session }, { path, size }) => attributes.fill(session, path, size * 1024),
  chmod: async ({ session }, { path, mode }) => attributes.changeMode(session, path, mode),

  rename: async (kernel, { path, to }) =>
    names.rename(kernel.session, path, to, closedOnes(kernel, [path, to])),
  exchange: async (kernel, { path, to }) =>
    names.exchange(kernel.session, path, to, closedOnes(kernel, [path, to])),
  link: async ({ session }, { path, to }) => names.link(session, path, to),
  rework: async (kernel, operation) => {
    if (await rework(kernel, operation)) applyEffect(kernel.world, operation)
  },
  symlink: async ({ session }, { path }) => names.makeSymlink(session, path, 'anywhere'),
  unlink: async ({ session }, { path }) => names.unlink(session, path),
  mkdir: async ({ session }, { path }) => names.makeDirectory(session, path),
  rmdir: async ({ session }, { path }) => names.removeDirectory(session, path),

  writeback: async ({ session }) => files.writeBack(session),
  checkpoint: async ({ session }) => names.checkpoint(session),
  background: async ({ session }) => {
    session.engine.checkpointer.start()
  },
  reap: async ({ session }) => names.reap(session),
}

/** Returns whether it was committed: what an atomic file keeps staged without a writer is a conflict. */
async function rework(
  { session }: Kernel,
  { path, data }: OperationOf<'rework'>,
): Promise<boolean> {
  const begun = await folders.copyFolder(session, path, async (fs, copy) => {
    const known = fs.lookup(copy, 'w')
    const { ino, fh } =
      known === undefined
        ? await createFile(fs, copy, 'w')
        : { ino: known.ino, fh: (await fs.open(known.ino, O_RDWR, CALLER)).fh }
    await fs.write(fh, writeRequest(data % 9000, bytes(1 + (data % 80_000), data)))
    await fs.flush(fh, CALLER)
    await fs.release(fh)
    fs.forget(ino, 1)
  })
  try {
    await folders.commitFolder(session, path, begun)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error
    session.oracle.retract()
    return false
  }
}

async function playAny<Type extends OperationType>(
  kernel: Kernel,
  operation: OperationOf<Type>,
): Promise<void> {
  const play: Play<Type> = PLAYS[operation.type]
  await play(kernel, operation)
}

async function startBy(kernel: Kernel, handle: string, replaces: boolean): Promise<void> {
  await deliverHandle(kernel, handle)
  await transactions.start(kernel.session, handle, holderOf(kernel, handle), replaces)
}

/** The process that uses a handle which several have. */
function holderOf(kernel: Kernel, handle: string): number {
  const [process] = kernel.world.handle(handle).holders
  invariant(process !== undefined, 'a handle that is used is open')
  return kernel.pid(process)
}

function bytes(length: number, seed: number): Uint8Array {
  return new Random(seed).bytes(length)
}

async function deliverHandle(kernel: Kernel, handle: string): Promise<void> {
  await deliverNode(kernel, files.handle(kernel.session, handle).ino)
}

async function deliverPath(kernel: Kernel, path: string): Promise<void> {
  await deliverNode(kernel, inoAt(kernel.session.oracle.live, path))
}

/**
 * Atomic files that all writers have closed, and of which only the RELEASE is on its way: renaming
 * publishes those first, because close(2) has returned.
 */
function closedOnes({ session, world, ends }: Kernel, paths: readonly string[]): names.Together {
  const { live } = session.oracle
  const closed = paths.filter((path) => {
    const node = world.node(path)
    const ino = live.names.get(path)
    if (node === undefined || ino === undefined || !isAtomicNode(live, ino)) return false
    if (live.nodes.get(ino)?.xattrs.has('user.atomic.onclose') === true) return false
    const handles = [...world.handles].filter(([, handle]) => handle.node === node)
    const areClosed = handles.every(
      ([name]) => world.isUnused(name) && ends.get(name) === 'running',
    )
    return handles.length > 0 && areClosed && session.staged.has(ino)
  })
  return closed.map((path) => files.publishing(session, inoAt(live, path)))
}
