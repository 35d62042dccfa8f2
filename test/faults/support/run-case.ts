/** Runs a phase with one call that fails, and judges what the caller was told and what is left. */
import assert from 'node:assert/strict'
import { MemoryDevice, emptyImage } from '../../../src/device/memory-device.ts'
import { judge } from '../../crash/judge.ts'
import { type State, cloneState, emptyState } from '../../crash/model.ts'
import { observe } from '../../crash/observe.ts'
import { openSession } from '../../crash/session.ts'
import { crashImages } from '../../support/devices/crash-images.ts'
import { DiskState } from '../../support/devices/disk-state.ts'
import type { CallKind, Fault } from '../../support/devices/faulty-device.ts'
import type { Random } from '../../support/random.ts'
import { CALLER, contentOf, makeTestVolume } from '../../support/volume.ts'
import { type FaultSession, openFaultSession } from './fault-session.ts'
import { type Phase, prepareCommon } from './phases.ts'

export type Result = Fault['result']

const RING_BLOCKS = 256
const READS: readonly CallKind[] = [
  'ring.read',
  'blocks.read',
  'blocks.readAsync',
  'index.get',
  'index.range',
  'superblock.read',
]
const SYNCHRONOUS: readonly CallKind[] = [
  'ring.read',
  'ring.write',
  'blocks.read',
  'blocks.write',
  'blocks.grow',
  'index.get',
  'superblock.read',
]

export const isRead = (kind: CallKind): boolean => READS.includes(kind)

/** What can happen to a call of a kind. */
export function resultsOf(kind: CallKind): readonly Result[] {
  const writes: Result[] = isRead(kind) ? [] : ['ENOSPC']
  const partly: Result[] = isRead(kind) && kind !== 'index.range' ? [] : ['short']
  const hangs: Result[] = SYNCHRONOUS.includes(kind) ? [] : ['hang']
  return ['EIO', ...writes, ...partly, ...hangs]
}

/** A volume that a phase begins with, closed in order. */
export interface Start {
  readonly disk: DiskState
  readonly state: State
}

export async function prepare(phase: Pick<Phase, 'prepare'>): Promise<Start> {
  const maker = new MemoryDevice(emptyImage(RING_BLOCKS))
  await makeTestVolume(maker)
  const session = await openSession(DiskState.of(maker.image()), emptyState())
  await prepareCommon(session)
  await phase.prepare?.(session)
  await session.fs.finish()
  const images = [...crashImages(session.device.log, session.device.log.events.length, NO_CHOICE)]
  const [image] = images
  assert.ok(image !== undefined && images.length === 1, 'everything is durable')
  return { disk: image.state, state: cloneState(session.oracle.live) }
}

// eslint-disable-next-line typescript/no-unsafe-type-assertion -- a settled disk leaves no choice
const NO_CHOICE = undefined as unknown as Random

/** The kinds of the calls that a phase makes, in order. */
export async function traceOf(phase: Phase, start: Start): Promise<CallKind[]> {
  const session = await openFaultSession(start.disk.clone(), start.state)
  await phase.stage?.(session)
  const before = session.faulty.trace.length
  await phase.work(session)
  assert.deepEqual(session.errors, [])
  return session.faulty.trace.slice(before)
}

/** Returns the errors that callers got. */
export async function runCase(
  phase: Phase,
  start: Start,
  fault: { readonly call: number; readonly result: Result },
  random: Random,
): Promise<FaultSession['errors']> {
  const session = await openFaultSession(start.disk.clone(), start.state)
  await phase.stage?.(session)
  session.faulty.failNext({ kind: 'any', result: fault.result }, fault.call)
  await phase.work(session)
  assert.ok(session.faulty.hasFailed, 'the fault has struck')
  assertErrors(session, phase)
  if (session.engine.health.failed) await assertFailed(session)
  else if (phase.name !== 'unmount') await assertGoesOn(session)
  await judgeRest(session, random)
  return session.errors
}

/** A change that fails is the end of the volume, and somebody is told; a read that fails rarely is. */
function assertErrors({ faulty, engine, errors }: FaultSession, { isUndone = true }: Phase): void {
  const { struck } = faulty
  if (struck === undefined) return
  if (isRead(struck)) {
    assert.ok(!engine.health.failed || !isUndone, 'a read that fails is no failed volume')
  } else if (struck !== 'blocks.grow') {
    assert.ok(engine.health.failed, 'the volume has failed')
  }
  if (engine.health.failed) assert.ok(errors.length > 0, 'the caller was told')
  for (const { step, code } of errors) {
    const isWrite = /^write|^truncate|^punch|^checkpoint|^finish/.test(step)
    const isFsync = /^fsync|^finish|^group/.test(step)
    // Staged content may fail on its way to the disk before anybody waits for it.
    const isKnown =
      code === 'EIO' || (isWrite && code === 'ENOSPC') || (!isFsync && code === 'EROFS')
    assert.ok(isKnown, `${step} failed with ${code}`)
  }
}

/** Nothing may be changed, nothing is called durable, and what is published can be read. */
async function assertFailed({ fs, oracle, handles }: FaultSession): Promise<void> {
  const eio = { code: 'EIO' }
  await assert.rejects(async () => fs.makeDirectory(1, 'late', 0o755, CALLER), { code: 'EROFS' })
  await assert.rejects(async () => fs.fsyncDirectory(), eio)
  for (const { fh } of handles.values()) {
    await assert.rejects(async () => fs.fsync(fh), /EBADF|EIO|is not open|failed/)
  }
  for (const [path, ino] of oracle.live.names) {
    const { mode, content } = oracle.live.nodes.get(ino) ?? { mode: 0, content: Buffer.alloc(0) }
    if ((mode & 0o170000) !== 0o100000 || fs.context.engine.inodes.find(ino) === undefined) continue
    // What was staged may have been lost on its way to the disk.
    if (fs.context.files.find(ino)?.shadow !== undefined) continue
    const read = await contentOf(fs, ino)
    if (path === '/bystander') assert.ok(read.equals(content), 'the bystander reads as ever')
  }
  await assert.rejects(async () => fs.finish(), eio)
}

/** The fault was that of one call. */
async function assertGoesOn({ fs, engine, isOver }: FaultSession): Promise<void> {
  await fs.makeDirectory(1, 'late', 0o755, CALLER)
  await fs.fsyncDirectory()
  await fs.removeDirectory(1, 'late')
  await fs.fsyncDirectory()
  if (!isOver) await observe(fs)
  assert.ok(!engine.health.failed)
}

/** What the next mount finds after the death of the process, or after a power cut on top. */
async function judgeRest({ device, oracle, engine }: FaultSession, random: Random): Promise<void> {
  const eventCount = device.log.events.length
  const lastIno = engine.takeIno() - 1
  for (const image of crashImages(device.log, eventCount, random, { randomCount: 1 })) {
    const allowed = oracle.allowed({ eventCount, isKill: image.isKill })
    await judge(image.name, image.device, numbered(allowed, lastIno))
  }
}

/** A call that failed did not say which number its new inode has: the last one that was taken. */
function* numbered(states: Iterable<State>, lastIno: number): Generator<State> {
  for (const state of states) {
    for (const [path, ino] of state.names) if (ino === 0) state.names.set(path, lastIno)
    const node = state.nodes.get(0)
    if (node !== undefined) state.nodes.set(lastIno, node)
    state.nodes.delete(0)
    yield state
  }
}
