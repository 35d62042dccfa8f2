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
import type { Engine } from './engine.ts'

/** Leaves freed by one record: 16 MiB of file, and at worst five blocks of ring. */
const LEAVES_PER_STEP = 16

/** Frees at most one step's worth; returns whether anything is left. */
export async function releaseMapStep(
  engine: Engine,
  ino: Ino,
  generation: number,
  liveGeneration: number | undefined,
): Promise<boolean> {
  const map = engine.store.maps.get(ino, generation)
  const leaves = await map.existingLeaves(0, LEAVES_PER_STEP + 1)
  if (leaves.length === 0) return false
  while (!engine.hasRoom) await engine.room()
  const live = liveGeneration === undefined ? undefined : engine.store.maps.get(ino, liveGeneration)
  const change = engine.begin()
  for (const leafIndex of leaves.slice(0, LEAVES_PER_STEP)) {
    const leaf = engine.store.maps.get(ino, generation).leaf(leafIndex)
    if (leaf === undefined) continue
    const at = { ino, generation, fileBlock: leafIndex * LEAF_BLOCKS }
    for (const { slot, count } of ownRuns(leaf, live, leafIndex)) {
      change.push({ type: 'unmap', ...at, fileBlock: at.fileBlock + slot, count })
    }
    change.push({ type: 'drop', ...at })
  }
  engine.commit(change)
  return leaves.length > LEAVES_PER_STEP
}

/** Frees all of it. */
export async function releaseMap(
  engine: Engine,
  ino: Ino,
  generation: number,
  liveGeneration: number | undefined,
): Promise<void> {
  while (await releaseMapStep(engine, ino, generation, liveGeneration));
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
