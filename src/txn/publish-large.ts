/**
 * Publishes a shadow fork that does not fit one record, by generation: the whole new map is written
 * beside the file's map, and one small record makes it the file's.
 *
 *   1. everything that was spilled is durable.
 *   2. a record says that generation N+1 of this file's map is being written.
 *   3. records fill generation N+1: blocks that stay, and blocks that were spilled. Checkpoints may
 *      move them to the index meanwhile.
 *   4. one commit: the pages, and the inode with generation N+1, the new size and times; and the same
 *      of other files that are published together with this one. Pages go home in place as ever, so
 *      that publishing takes no space that was not set aside; where one replaces a published block,
 *      both generations have that block.
 *   5. generation N is freed, apart from the blocks that N+1 has too.
 *
 * A crash before 4 leaves the old file and an unfinished generation N+1, which recovery frees before
 * anything else is published to the file; after 4 the new file, and generation N is freed instead.
 * The records follow each other in the ring, so 4 is never durable without 2 and 3. An error in
 * between leaves what only recovery can clear up, because generation N+1 has the fork's blocks by then,
 * and later generation N some of the file's: the volume is read-only from then on. So the old map is
 * read before, where it may be damaged.
 */
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Change } from './change.ts'
import type { Engine } from './engine.ts'
import type { Ino } from '../store/inode.ts'
import { type NewMap, type Staged, mapType } from './publish-ops.ts'
import { MapRuns } from './runs.ts'
import { releaseMap } from './release-map.ts'
import { type FileState, HOLE, type ShadowFork } from './shadow-fork.ts'
import { settle } from './settle.ts'

/** Leaves that one record fills. */
const LEAVES_PER_RECORD = 16

/** Steps 1 to 3; the commit is the caller's. Requires: the caller holds the file's lock. */
export async function writeNewMap(engine: Engine, { file, fork }: Staged): Promise<NewMap> {
  await settle(engine, [fork]) // 1.
  const generation = engine.inodes.get(file.ino).mapGeneration + 1
  const leaves = await mappedLeaves(engine, file)
  const old = engine.store.maps.get(file.ino, generation - 1)
  for (const leafIndex of leaves) old.leaf(leafIndex)
  const fill = (leafIndex: number): MapRuns => mergedRuns(engine, file, fork, leafIndex)
  const blockCount = await orFailVolume(engine, async () =>
    fillGeneration(engine, file.ino, generation, leaves, fill),
  ) // 2., 3.
  const isTouched = (leafIndex: number): boolean =>
    fork.spilled.has(leafIndex) || (leafIndex + 1) * LEAF_BLOCKS > fork.cutBlock
  return { generation, blockCount, touchedLeaves: [...new Set(leaves)].filter(isTouched) }
}

/** Step 5. Requires: the caller holds the file's lock. */
export async function releaseOldMap(
  engine: Engine,
  { file, newMap }: Pick<Staged, 'file' | 'newMap'>,
): Promise<void> {
  if (newMap === undefined) return
  const old = newMap.generation - 1
  await orFailVolume(engine, async () => {
    await releaseMap(engine, file.ino, old, newMap.generation)
    await commitSmall(engine, (change) => {
      change.removePendingMap(file.ino, old)
    })
  })
}

/** Runs what cannot be taken back; if it throws, the volume is read-only. */
export async function orFailVolume<Value>(
  engine: Engine,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work()
  } catch (error) {
    engine.health.fail(error)
    throw error
  }
}

async function commitSmall(engine: Engine, fill: (change: Change) => void): Promise<void> {
  while (!engine.hasRoom) await engine.room()
  const change = engine.begin()
  fill(change)
  engine.commit(change)
}

/** Leaves of a file that map something, published or spilled. */
export async function mappedLeaves(engine: Engine, file: FileState): Promise<readonly number[]> {
  const { mapGeneration } = engine.inodes.get(file.ino)
  const published = await engine.store.maps.get(file.ino, mapGeneration).existingLeaves(0)
  return [...(file.shadow?.spilled.keys() ?? []), ...published]
}

/** Writes a new map, as `runsOf` says what each leaf is to map; returns how many blocks it has. */
export async function fillGeneration(
  engine: Engine,
  ino: Ino,
  generation: number,
  leaves: readonly number[],
  runsOf: (leafIndex: number) => MapRuns,
): Promise<number> {
  await commitSmall(engine, (change) => {
    change.putPendingMap(ino, generation)
  })
  let blockCount = 0
  const ordered = [...new Set(leaves)].toSorted((a, b) => a - b)
  for (let i = 0; i < ordered.length; i += LEAVES_PER_RECORD) {
    await commitSmall(engine, (change) => {
      for (const leafIndex of ordered.slice(i, i + LEAVES_PER_RECORD)) {
        const runs = runsOf(leafIndex)
        runs.push(change, ino, generation)
        blockCount += runs.blockCount
      }
    })
  }
  return blockCount
}

/**
 * What a leaf maps after the publish, but for pages that get new blocks: where the old one is shared,
 * only the old generation may count as its owner.
 */
function mergedRuns(engine: Engine, file: FileState, fork: ShadowFork, leafIndex: number): MapRuns {
  const { mapGeneration } = engine.inodes.get(file.ino)
  const old = engine.store.maps.get(file.ino, mapGeneration).leaf(leafIndex)
  const runs = new MapRuns()
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const fileBlock = leafIndex * LEAF_BLOCKS + slot
    const spilled = fork.spilledBlock(fileBlock)
    const page = fork.pages.get(fileBlock)
    if (page?.reserved === true) continue
    const isKept = fileBlock < fork.cutBlock || page !== undefined
    const isOld = spilled === 0 && isKept && !fork.freshMap
    const block = isOld ? (old?.block(slot) ?? 0) : spilled
    if (block === 0 || block === HOLE) continue
    const checksum = isOld ? (old?.checksum(slot) ?? 0) : fork.spilledChecksum(fileBlock)
    const type = isOld ? 'remap' : mapType(engine, file, fork, fileBlock)
    runs.add(type, fileBlock, block, checksum)
  }
  return runs
}
