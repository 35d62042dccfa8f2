/**
 * Frees a generation of a file's extent map that is not, or no longer, the file's own: what a
 * truncation or a large publish replaced, what a large publish did not finish, and what a deleted
 * file had. It goes leaf by leaf, each step one small record, so that a file of any size can be
 * freed, and a crash in between leaves the rest for the next step.
 *
 * A block that the live generation has at the same place belongs to it and is not freed.
 * Requires: while generations share blocks, nothing is published to the file.
 */
import { LEAF_BLOCKS, type Leaf } from '../store/leaf.ts'
import type { Ino } from '../store/inode.ts'
import type { ExtentMap } from '../store/extent-maps.ts'
import type { Change } from './change.ts'
import type { Engine } from './engine.ts'

/** Leaves freed by one record: 16 MiB of file, and at worst eleven blocks of ring. */
const LEAVES_PER_STEP = 64

export class MapRelease {
  readonly ino: Ino
  readonly generation: number
  private readonly engine: Engine
  private readonly liveGeneration: number | undefined
  /** Leaves before this one are freed; the index may still show them. */
  private next = 0

  constructor(engine: Engine, ino: Ino, generation: number, liveGeneration?: number) {
    this.engine = engine
    this.ino = ino
    this.generation = generation
    this.liveGeneration = liveGeneration
  }

  /** Frees at most one step's worth; resolves with whether anything is left. */
  async step(): Promise<boolean> {
    const { engine, ino, generation } = this
    const { maps } = engine.store
    const leaves = await maps.get(ino, generation).existingLeaves(this.next, LEAVES_PER_STEP + 1)
    if (leaves.length === 0) return false
    while (!engine.hasRoom) await engine.room()
    const step = leaves.slice(0, LEAVES_PER_STEP)
    const change = engine.begin()
    for (const leafIndex of step) this.pushLeaf(change, leafIndex)
    engine.commit(change)
    this.next = (step.at(-1) ?? 0) + 1
    return leaves.length > LEAVES_PER_STEP
  }

  private pushLeaf(change: Change, leafIndex: number): void {
    const { ino, generation, liveGeneration } = this
    const { maps } = this.engine.store
    const leaf = maps.get(ino, generation).leaf(leafIndex)
    if (leaf === undefined) return
    const live = liveGeneration === undefined ? undefined : maps.get(ino, liveGeneration)
    const fileBlock = leafIndex * LEAF_BLOCKS
    for (const { slot, count } of ownRuns(leaf, live, leafIndex)) {
      change.push({ type: 'unmap', ino, generation, fileBlock: fileBlock + slot, count })
    }
    change.push({ type: 'drop', ino, generation, fileBlock })
  }
}

/** Frees all of it. */
export async function releaseMap(
  engine: Engine,
  ino: Ino,
  generation: number,
  liveGeneration: number | undefined,
): Promise<void> {
  const release = new MapRelease(engine, ino, generation, liveGeneration)
  while (await release.step());
}

/** Runs of slots whose blocks the live map does not have at the same place. */
function ownRuns(
  leaf: Leaf,
  live: ExtentMap | undefined,
  leafIndex: number,
): { slot: number; count: number }[] {
  const runs: { slot: number; count: number }[] = []
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (block === 0 || live?.block(leafIndex * LEAF_BLOCKS + slot) === block) continue
    const last = runs.at(-1)
    if (last !== undefined && last.slot + last.count === slot) last.count++
    else runs.push({ slot, count: 1 })
  }
  return runs
}
