/**
 * The states that a power cut may leave of a recorded disk.
 *
 * Method "disk" models the disk only, and trusts nothing above it but the kernel: the filesystem below
 * the volume is the real one, with its own journal, and so are LevelDB and the daemon.
 *
 *   - what was written before a flush is there;
 *   - of what was written since, each write is there or not, in any order, and of those that are, any
 *     sectors of 512 bytes. A sector is old or new, never a mix.
 *
 * The first 4 KiB are never torn: ext4's superblock lies across two sectors under one checksum, so a
 * torn one cannot be mounted, whatever is on it; that is not for the volume to mend.
 *
 * That is a disk with a volatile cache that keeps its promises. What lies about flushes is not here.
 */
import { openSync, writeSync } from 'node:fs'
import type { Random } from '../support/random.ts'
import type { Patch } from '../support/loop-disk/disk-content.ts'
import type { DiskEvent } from '../support/loop-disk/disk-log.ts'

const SECTOR_SIZE = 512
const HOST_SUPERBLOCK_END = 4096

export const CUT_KINDS = ['lost', 'kept', 'some', 'torn'] as const
export type CutKind = (typeof CUT_KINDS)[number]

/** Goes through a recording once. The file at `image` is the disk with what is durable. */
export class DiskHistory {
  readonly events: readonly DiskEvent[]
  readonly #fd: number
  #position = 0
  #markCount = 0
  #unflushed: Patch[] = []

  /** Requires: at `image` is a file for this history alone, with what the disk began with. */
  constructor(events: readonly DiskEvent[], image: string) {
    this.events = events
    this.#fd = openSync(image, 'r+')
  }

  /** Marks among the events up to now. */
  get markCount(): number {
    return this.#markCount
  }

  get unflushedCount(): number {
    return this.#unflushed.length
  }

  /** Goes on to the moment after so many events. */
  advance(eventCount: number): void {
    for (; this.#position < eventCount; this.#position++) {
      const event = this.events[this.#position]
      if (event?.type === 'write') this.#unflushed.push(event)
      else if (event?.type === 'mark') this.#markCount++
      else if (event?.type === 'flush') this.#flush()
    }
  }

  /** What a cut now leaves of the unflushed writes. */
  cut(kind: CutKind, random: Random): Patch[] {
    return choose(this.#unflushed, kind, random)
  }

  #flush(): void {
    for (const { offset, data } of this.#unflushed.splice(0)) {
      for (let at = 0; at < data.length;) {
        at += writeSync(this.#fd, data, at, data.length - at, offset + at)
      }
    }
  }
}

/** What a power cut leaves of a disk whose recording is short enough to go through it again. */
export function cutAt(
  events: readonly DiskEvent[],
  eventCount: number,
  kind: CutKind,
  random: Random,
): Patch[] {
  const before = events.slice(0, eventCount)
  const flushed = before.findLastIndex(({ type }) => type === 'flush') + 1
  const durable = before.slice(0, flushed).filter((event) => event.type === 'write')
  const unflushed = before.slice(flushed).filter((event) => event.type === 'write')
  return [...durable, ...choose(unflushed, kind, random)]
}

function choose(unflushed: readonly Patch[], kind: CutKind, random: Random): Patch[] {
  if (kind === 'lost') return []
  if (kind === 'kept') return [...unflushed]
  const chance = 1 + random.int(7)
  if (kind === 'some') return unflushed.filter(() => random.int(8) < chance)
  return [...inAnyOrder(unflushed, random)].flatMap((patch) => [
    ...sectors(patch, () => random.int(8) < chance),
  ])
}

/** Of two writes to one sector, either may be the last that reached the disk. */
function inAnyOrder(patches: readonly Patch[], random: Random): readonly Patch[] {
  return random.oneIn(2) ? patches : random.shuffle(patches)
}

function* sectors(patch: Patch, isThere: () => boolean): Generator<Patch> {
  const { offset, data } = patch
  if (offset < HOST_SUPERBLOCK_END) {
    if (isThere()) yield patch
    return
  }
  for (let at = 0; at < data.length; at += SECTOR_SIZE) {
    if (isThere()) yield { offset: offset + at, data: data.subarray(at, at + SECTOR_SIZE) }
  }
}
