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
import { type CrashChoice, DiskState } from './disk-state.ts'

const SECTOR_SIZE = 512

export const CRASH_KINDS = [
  'settled',
  'prefix',
  'dropped',
  'killed',
  'split',
  'omitted',
  'reordered',
  'torn',
] as const

/**
 * What a crash did. `settled`: nothing was left to lose. `prefix`: all writes reached the disk.
 * `dropped`: none that no flush covers did. `killed`: only the process died. `split`: one part of
 * the disk is ahead of the others, as queues of their own may be. `omitted`: one write is missing,
 * or alone there. `reordered`: any writes are there, in any order. `torn`: any of their sectors.
 */
export type CrashKind = (typeof CRASH_KINDS)[number]

export interface CrashOptions {
  /** Random images for each moment, of each of two kinds: whole writes, and torn ones; 2 if absent. */
  readonly randomCount?: number
  /** Leaves the death of the process out. */
  readonly powerCutsOnly?: boolean
  /** Adds `split` and `omitted` images, one for each part and each of so many writes. */
  readonly omittedCount?: number
}

/** What one crash left, and what the next process finds. */
export class CrashImage {
  readonly kind: CrashKind
  /** How many events there were. */
  readonly eventCount: number
  /** The moment and what was left, for the message of a failed test. */
  readonly name: string
  readonly content: DeviceImage
  private readonly after: DiskState | undefined

  constructor(
    parts: Pick<CrashImage, 'kind' | 'eventCount' | 'name' | 'content'>,
    after?: DiskState,
  ) {
    this.kind = parts.kind
    this.eventCount = parts.eventCount
    this.name = parts.name
    this.content = parts.content
    this.after = after
  }

  /** Whether only the process died: then everything that was answered must be there. */
  get isKill(): boolean {
    return this.kind === 'killed'
  }

  /** A device of its own with this content. */
  get device(): MemoryDevice {
    return new MemoryDevice(this.content)
  }

  /** What a RecordingDevice starts from, so that it can crash again. */
  get state(): DiskState {
    return this.after ?? DiskState.of(this.content)
  }
}

/** Images of a crash right after the first `eventCount` events. */
export function crashImages(
  log: DeviceLog,
  eventCount: number,
  random: Random,
  options: CrashOptions = {},
): Generator<CrashImage> {
  return crashImagesAt(log, [eventCount], () => random, options)
}

/** Images of crashes at every moment of a run, from before its first event to after its last. */
export function allCrashImages(
  log: DeviceLog,
  random: Random,
  options: CrashOptions = {},
): Generator<CrashImage> {
  const all = Array.from({ length: log.events.length + 1 }, (_, count) => count)
  return crashImagesAt(log, all, () => random, options)
}

/** Images of crashes after so many events each; `randomAt` gives what the random ones depend on. */
export function* crashImagesAt(
  log: DeviceLog,
  eventCounts: readonly number[],
  randomAt: (eventCount: number) => Random,
  options: CrashOptions = {},
): Generator<CrashImage> {
  const state = log.start.clone()
  let done = 0
  for (const eventCount of eventCounts) {
    for (const event of log.events.slice(done, eventCount)) state.apply(done++, event)
    yield* new Moment(state, log, eventCount).images(randomAt(eventCount), options)
  }
}

/** A crash at one moment. */
class Moment {
  private readonly state: DiskState
  private readonly eventCount: number
  private readonly name: string

  constructor(state: DiskState, { events }: DeviceLog, eventCount: number) {
    this.state = state
    this.eventCount = eventCount
    const last = events[eventCount - 1]
    this.name = `${eventCount} events${last === undefined ? '' : ` (${describeEvent(last)})`}`
  }

  *images(random: Random, options: CrashOptions): Generator<CrashImage> {
    if (this.state.isSettled) {
      yield this.powerCut('settled', 'settled', { choose: chooseLost, hasBatch: false })
      return
    }
    for (const hasBatch of this.state.hasBatchUnderWay ? [false, true] : [false]) {
      const batch = hasBatch ? ', batch present' : ''
      yield this.powerCut('prefix', `all kept${batch}`, { choose: chooseKept, hasBatch })
      yield this.powerCut('dropped', `all lost${batch}`, { choose: chooseLost, hasBatch })
      if (options.powerCutsOnly !== true) yield this.killed(`killed${batch}`, random, hasBatch)
      if (options.omittedCount === undefined) continue
      yield* this.split(batch, hasBatch)
      yield* this.omitted(batch, hasBatch, random, options.omittedCount)
    }
    for (let round = 0; round < (options.randomCount ?? 2); round++) {
      const hasBatch = random.oneIn(2)
      const writes = { choose: chooseWrites(random), hasBatch }
      yield this.powerCut('reordered', `some writes, round ${round}`, writes)
      const sectors = { choose: chooseSectors(random), hasBatch }
      yield this.powerCut('torn', `torn writes, round ${round}`, sectors)
    }
  }

  private powerCut(kind: CrashKind, what: string, choice: CrashChoice): CrashImage {
    const content = this.state.image(choice)
    const { eventCount } = this
    return new CrashImage({ kind, eventCount, name: `${this.name}: ${what}`, content })
  }

  private killed(what: string, random: Random, hasBatch: boolean): CrashImage {
    const after = this.state.killed({ choose: chooseKilled(this.state, random), hasBatch })
    const { eventCount } = this
    const name = `${this.name}: ${what}`
    return new CrashImage({ kind: 'killed', eventCount, name, content: cachedImage(after) }, after)
  }

  /** The ring, the blocks, or neither of them is ahead. */
  private *split(batch: string, hasBatch: boolean): Generator<CrashImage> {
    const parts = this.state.unsettledParts
    if (parts.length < 2) return
    for (const kept of parts) {
      const choose: Choose = (durable, versions, part) =>
        part === kept ? chooseKept(durable, versions) : durable
      yield this.powerCut('split', `only ${kept} kept${batch}`, { choose, hasBatch })
    }
  }

  private *omitted(
    batch: string,
    hasBatch: boolean,
    random: Random,
    count: number,
  ): Generator<CrashImage> {
    const seqs = this.state.unsettledWrites
    if (seqs.length < 2) return
    for (const seq of random.shuffle(seqs).slice(0, count)) {
      const others: Choose = (durable, versions) =>
        versions.findLast((version) => version.seq !== seq)?.data ?? durable
      const alone: Choose = (durable, versions) =>
        versions.findLast((version) => version.seq === seq)?.data ?? durable
      yield this.powerCut('omitted', `all but write ${seq}${batch}`, { choose: others, hasBatch })
      yield this.powerCut('omitted', `only write ${seq}${batch}`, { choose: alone, hasBatch })
    }
  }
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
