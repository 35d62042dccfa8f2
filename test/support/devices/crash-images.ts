/**
 * The images that a crash could leave after any event of a recorded run. Calls under way at that
 * moment are partly there; unflushed writes are there in any mixture, torn at sectors, out of order.
 */
import { invariant } from '../../../src/errors.ts'
import { BLOCK_SIZE } from '../../../src/device/device.ts'
import { MemoryDevice, type DeviceImage } from '../../../src/device/memory-device.ts'
import type { Random } from '../random.ts'
import { describeEvent, type DeviceLog } from './device-log.ts'
import type { Choose, Version } from './disk-part.ts'
import { DiskState } from './disk-state.ts'

const SECTOR_SIZE = 512

export interface CrashOptions {
  /** Random images for each moment, of each of two kinds: whole writes, and torn ones; 2 if absent. */
  readonly randomCount?: number
  /** Leaves the death of the process out. */
  readonly powerCutsOnly?: boolean
}

export interface CrashImage {
  /** The moment and what was left, for the message of a failed test. */
  readonly name: string
  /** What the next process finds. */
  readonly device: MemoryDevice
  /** What a RecordingDevice starts from, so that it can crash again. */
  readonly state: DiskState
}

/** Images of a crash right after the first `eventCount` events. */
export function* crashImages(
  log: DeviceLog,
  eventCount: number,
  random: Random,
  options: CrashOptions = {},
): Generator<CrashImage> {
  const state = log.start.clone()
  for (const [seq, event] of log.events.slice(0, eventCount).entries()) state.apply(seq, event)
  yield* imagesAt(state, momentOf(log, eventCount), random, options)
}

/** Images of crashes at every moment of a run, from before its first event to after its last. */
export function* allCrashImages(
  log: DeviceLog,
  random: Random,
  options: CrashOptions = {},
): Generator<CrashImage> {
  const state = log.start.clone()
  for (let count = 0; ; count++) {
    yield* imagesAt(state, momentOf(log, count), random, options)
    const event = log.events[count]
    if (event === undefined) return
    state.apply(count, event)
  }
}

function momentOf(log: DeviceLog, eventCount: number): string {
  const last = log.events[eventCount - 1]
  return `${eventCount} events${last === undefined ? '' : ` (${describeEvent(last)})`}`
}

function* imagesAt(
  state: DiskState,
  moment: string,
  random: Random,
  options: CrashOptions,
): Generator<CrashImage> {
  if (state.isSettled) {
    yield powerCut(state, `${moment}: settled`, { choose: chooseLost, hasBatch: false })
    return
  }
  for (const hasBatch of state.hasBatchUnderWay ? [false, true] : [false]) {
    const batch = hasBatch ? ', batch present' : ''
    yield powerCut(state, `${moment}: all lost${batch}`, { choose: chooseLost, hasBatch })
    yield powerCut(state, `${moment}: all kept${batch}`, { choose: chooseKept, hasBatch })
    if (options.powerCutsOnly !== true)
      yield killed(state, `${moment}: killed${batch}`, random, hasBatch)
  }
  for (let round = 0; round < (options.randomCount ?? 2); round++) {
    const hasBatch = random.oneIn(2)
    const writes = { choose: chooseWrites(random), hasBatch }
    yield powerCut(state, `${moment}: some writes, round ${round}`, writes)
    const sectors = { choose: chooseSectors(random), hasBatch }
    yield powerCut(state, `${moment}: torn writes, round ${round}`, sectors)
  }
}

function powerCut(
  state: DiskState,
  name: string,
  choice: { readonly choose: Choose; readonly hasBatch: boolean },
): CrashImage {
  const image = state.image(choice)
  return { name, device: new MemoryDevice(image), state: DiskState.of(image) }
}

function killed(state: DiskState, name: string, random: Random, hasBatch: boolean): CrashImage {
  const after = state.killed({ choose: chooseKilled(state, random), hasBatch })
  return { name, device: new MemoryDevice(cachedImage(after)), state: after }
}

/** What a process sees through the host's cache: the newest of everything. */
export function cachedImage(state: DiskState): DeviceImage {
  return state.image({ choose: chooseKept, hasBatch: false })
}

function chooseLost(durable: Uint8Array): Uint8Array {
  return durable
}

function chooseKept(durable: Uint8Array, versions: readonly Version[]): Uint8Array {
  return versions.at(-1)?.data ?? durable
}

/** Each write reached the disk or not; of those that did, any may have come last. */
function chooseWrites(random: Random): Choose {
  const reached = new Map<number, boolean>()
  return (durable, versions) => {
    for (const { seq } of versions) if (!reached.has(seq)) reached.set(seq, random.oneIn(2))
    const there = versions.filter(({ seq }) => reached.get(seq) === true)
    return there.length === 0 ? durable : random.pick(there).data
  }
}

/** Each sector is from any version. How many are new differs between images. */
function chooseSectors(random: Random): Choose {
  const chance = 1 + random.int(8)
  return (durable, versions) =>
    mixSectors(() => (random.int(9) < chance ? random.pick(versions).data : durable))
}

/** Writes that returned are there; of one under way, some sectors. */
function chooseKilled(state: DiskState, random: Random): Choose {
  return (durable, versions) => {
    let block = durable
    for (const { seq, data } of versions) {
      const under = block
      block = state.isUnderWay(seq) ? mixSectors(() => (random.oneIn(2) ? data : under)) : data
    }
    return block
  }
}

function mixSectors(pick: () => Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE)
  for (let at = 0; at < BLOCK_SIZE; at += SECTOR_SIZE) {
    const source = pick()
    invariant(source.length === BLOCK_SIZE, 'a version is one block')
    block.set(source.subarray(at, at + SECTOR_SIZE), at)
  }
  return block
}
