/**
 * Moves commits from the ring to where they live, so that ring space and freed blocks can be used
 *
 * Order, and what a crash after each step leaves (S0 is the last checkpoint, S this one):
 *
 *   1. capture, in one tick: everything that changed up to commit S.
 *   2. flush the journal up to S. From here on the ring holds S durably, whatever follows.
 *   3. write the captured pages home, in place. A crash leaves some of them old, new or torn; the
 *      index still says S0, so recovery replays these very pages from the ring. Without step 2 a
 *      page could reach its home before its record is durable, and the old content would be lost.
 *   4. flush the blocks.
 *   5. one synced index batch: leaves, inodes, names, bitmaps and the marker with S. Atomic: before
 *      it recovery starts at S0, after it at S with every page at home.
 *   6. release, in memory: ring space up to S, blocks that commits up to S freed.
 *
 * Any failure turns the volume read-only; the ring still holds everything.
 */
import { BLOCK_SIZE, type BlockNo, type Blocks, type IndexOp } from '../device/device.ts'
import type { Health } from '../health.ts'
import { MARKER_KEY } from '../store/keys.ts'
import { type Marker, encodeMarker } from '../store/marker.ts'
import { sealValue } from '../store/metadata.ts'
import type { Store } from '../store/store.ts'
import type { Journal } from './journal.ts'

/** Pages written home before other work gets a turn. */
const SLICE_PAGES = 64

/** The longest single home write, in pages. */
const HOME_RUN_PAGES = 32

export function markerOp(marker: Marker): IndexOp {
  return { type: 'put', key: MARKER_KEY, value: sealValue(MARKER_KEY, encodeMarker(marker)) }
}

export class Checkpointer {
  private readonly store: Store
  private readonly journal: Journal
  private readonly health: Health
  private readonly epoch: number
  private readonly nextIno: () => number
  private underWay: Promise<void> | undefined

  constructor(
    store: Store,
    journal: Journal,
    health: Health,
    epoch: number,
    nextIno: () => number,
  ) {
    this.store = store
    this.journal = journal
    this.health = health
    this.epoch = epoch
    this.nextIno = nextIno
  }

  /** Whether a checkpoint would change anything on the disk. */
  get isNeeded(): boolean {
    return (
      this.journal.usedBlocks > 0 ||
      this.store.metadata.pendingCount > 0 ||
      this.store.maps.dirtyCount > 0
    )
  }

  /** Starts a checkpoint unless one is under way; failures are reported through `health`. */
  start(): void {
    if (this.underWay !== undefined || this.health.failed) return
    this.run().catch(() => undefined)
  }

  /** Resolves when everything committed before the call is in the index, durably. */
  async run(clean = false): Promise<void> {
    if (this.underWay !== undefined) {
      await this.underWay.catch(() => undefined)
    }
    this.health.assertDurable()
    this.underWay ??= this.runOnce(clean).finally(() => {
      this.underWay = undefined
      // Only now: who still finds no room starts the next one.
      this.journal.wake()
    })
    await this.underWay
  }

  private async runOnce(clean: boolean): Promise<void> {
    try {
      const commitSeq = this.journal.commitSeq // 1.
      const ringPosition = this.journal.position
      const pages = this.store.homeWrites.capture()
      const operations = this.capture({ commitSeq, ringPosition, clean })
      await this.journal.flush() // 2.
      await this.writeHome(pages) // 3.
      await this.store.device.blocks.flush() // 4.
      await this.store.device.index.batch(operations) // 5.
      this.release(commitSeq, ringPosition) // 6.
    } catch (error) {
      this.health.fail(error)
      throw error
    }
  }

  private capture(at: Pick<Marker, 'commitSeq' | 'ringPosition' | 'clean'>): IndexOp[] {
    const { metadata, maps, allocator, shares } = this.store
    return [
      ...metadata.capture(),
      ...maps.capture(),
      ...allocator.capture(),
      ...shares.capture(),
      markerOp({
        ...at,
        epoch: this.epoch,
        blockCount: allocator.blockCount,
        freeCount: allocator.blockCount - allocator.mappedCount,
        nextIno: this.nextIno(),
      }),
    ]
  }

  private async writeHome(pages: readonly [BlockNo, Uint8Array][]): Promise<void> {
    for (let i = 0; i < pages.length; i += SLICE_PAGES) {
      writeRuns(this.store.device.blocks, pages.slice(i, i + SLICE_PAGES))
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  private release(commitSeq: number, ringPosition: number): void {
    this.store.metadata.release()
    this.store.maps.release()
    this.store.allocator.release()
    this.store.shares.release()
    this.store.homeWrites.release()
    this.journal.release(commitSeq, ringPosition)
  }
}

/** Writes pages, consecutive ones in one call. */
function writeRuns(blocks: Blocks, pages: readonly [BlockNo, Uint8Array][]): void {
  let i = 0
  while (i < pages.length) {
    const [start, first] = pages[i] ?? [0, new Uint8Array(0)]
    const run = [first]
    while (run.length < HOME_RUN_PAGES && pages[i + run.length]?.[0] === start + run.length) {
      run.push(pages[i + run.length]?.[1] ?? first)
    }
    blocks.write(start, run.length === 1 ? first : Buffer.concat(run, run.length * BLOCK_SIZE))
    i += run.length
  }
}
