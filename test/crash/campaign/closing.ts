/**
 * How handles end: closes, RELEASEs, exits and deaths, as the kernel tells of them, and what each
 * does to what is staged, as semantics.md has it: an ordinary file is published by each of them; an
 * atomic one is settled when its last handle is released, by how the one was closed that was closed last.
 * A death drops what is staged at once if nobody else has the file open for writing, unless all of it was
 * closed in order before, and only the RELEASE is on its way.
 */
import { CALLER } from '../../support/volume.ts'
import { handle as openHandle, publishing } from '../file-steps.ts'
import { isAtomicNode } from '../model.ts'
import { abandon } from '../transaction-steps.ts'
import { capture } from '../content-steps.ts'
import { type Kernel, deliverNode } from './kernel.ts'

export type End = 'running' | 'exited' | 'died'

/** close(2), without the RELEASE that may follow. */
export async function closeDescriptor(kernel: Kernel, name: string, end: End): Promise<void> {
  const { session, world } = kernel
  const { fh, ino } = openHandle(session, name)
  await deliverNode(kernel, ino)
  const handle = world.handle(name)
  const process = world.closeOldest(name)
  const pid = kernel.pid(process)
  const { processes } = session
  processes.states.set(pid, end)
  const isMapping = world.handlesOf(handle.node).some(({ mapper }) => mapper === process)
  if (isMapping) processes.mapping.add(pid)
  else processes.mapping.delete(pid)
  const isWritten = world
    .handlesOf(handle.node)
    .some(({ holders, mapper }) => holders.size > 0 || mapper !== undefined)
  const isHolding = world.handlesOf(handle.node).some(({ holders }) => holders.has(process))
  if (isHolding) processes.holding.add(pid)
  else processes.holding.delete(pid)
  const transaction = session.transactions.get(ino)
  if (transaction?.owner === name && transaction.pid === pid && (end !== 'running' || !isHolding)) {
    giveUp(kernel, name, ino)
  }
  const flush = (): unknown => session.fs.flush(fh, { ...CALLER, pid })
  const isFinished = wasClosedBefore(kernel, name, ino)
  kernel.noteEnd(name, isFinished ? 'running' : end)
  kernel.closedWith.delete(name)
  if (!isAtomicNode(session.oracle.live, ino)) {
    await publishBy(kernel, ino, flush)
    return
  }
  await flush()
  const content = end === 'died' || isFinished ? undefined : capture(session, ino)
  if (content !== undefined) kernel.closedWith.set(name, content)
  if (end !== 'died' || isWritten || isFinished) return
  giveUp(kernel, name, ino)
  session.staged.delete(ino)
}

/** Whether what is staged is what another handle was closed with in order, which is not released yet. */
function wasClosedBefore(
  { session, world, closedWith }: Kernel,
  name: string,
  ino: number,
): boolean {
  const content = session.staged.get(ino)
  return (
    content !== undefined &&
    [...closedWith].some(
      ([other, closed]) => other !== name && closed === content && world.isUnused(other),
    )
  )
}

/** A transaction ends with its handle. */
function giveUp({ session, world }: Kernel, name: string, ino: number): void {
  if (session.transactions.get(ino)?.owner === name) abandon(session, ino)
  world.handle(name).isOwner = false
}

/** RELEASE: nobody refers to the handle any more. */
export async function release(kernel: Kernel, name: string): Promise<void> {
  const { session, world } = kernel
  const { fh, ino } = openHandle(session, name)
  const { live } = session.oracle
  const isLast = world.handlesOf(world.handle(name).node).length === 1
  giveUp(kernel, name, ino)
  session.canceled.delete(name)
  const run = (): unknown => session.fs.release(fh)
  const policy = live.nodes.get(ino)?.xattrs.get('user.atomic.onclose') ?? 'publish'
  const end = kernel.noteRelease(name, world.handle(name).node)
  const isDropped = end === 'died' || policy === 'discard'
  if (!isAtomicNode(live, ino) || (isLast && !isDropped && policy === 'publish')) {
    await publishBy(kernel, ino, run)
  } else {
    await run()
    if (isLast && isDropped) session.staged.delete(ino)
  }
  session.handles.delete(name)
  world.handles.delete(name)
}

export async function unmap(kernel: Kernel, name: string): Promise<void> {
  const { session, world } = kernel
  await deliverNode(kernel, openHandle(session, name).ino)
  world.handle(name).mapper = undefined
  if (!world.isUnused(name)) return
  kernel.noteEnd(name, 'running')
  await release(kernel, name)
}

/** A process ends: its mappings go first, then its descriptors. */
export async function endProcess(kernel: Kernel, process: number, end: End): Promise<void> {
  const { session, world } = kernel
  const names = world.handlesOfProcess(process)
  const pid = kernel.pid(process)
  session.processes.states.set(pid, end)
  for (const name of names) {
    if (world.handle(name).mapper === process) await endMapping(kernel, name, pid, end)
  }
  for (const name of names) {
    if (world.handles.get(name)?.holders.has(process) !== true) continue
    await closeOf(kernel, name, process, end)
    if (world.isUnused(name)) await release(kernel, name)
  }
  kernel.bury(process)
}

async function endMapping(kernel: Kernel, name: string, pid: number, end: End): Promise<void> {
  const { session, world } = kernel
  const count = await deliverNode(kernel, openHandle(session, name).ino)
  world.handle(name).mapper = undefined
  if (!world.isUnused(name)) return
  kernel.noteEnd(name, end)
  // By the time of RELEASE it may be gone without a trace; it was seen when it wrote back.
  if (count > 0) session.processes.states.set(pid, 'unknown')
  await release(kernel, name)
  session.processes.states.set(pid, end)
}

/** Of a handle that is shared, the descriptor of this process. */
async function closeOf(kernel: Kernel, name: string, process: number, end: End): Promise<void> {
  const { holders } = kernel.world.handle(name)
  const others = [...holders].filter((other) => other !== process)
  holders.clear()
  holders.add(process)
  for (const other of others) holders.add(other)
  await closeDescriptor(kernel, name, end)
}

async function publishBy(kernel: Kernel, ino: number, run: () => unknown): Promise<void> {
  const { staged, oracle } = kernel.session
  if (!staged.has(ino)) await run()
  else await oracle.step({ apply: publishing(kernel.session, ino), run })
}
