/**
 * Publishes a shadow fork that does not fit one record, by generation: the whole new map is written
 * beside the file's map, and one small record makes it the file's.
 *
 *   1. everything staged is in blocks, durably.
 *   2. a record says that generation N+1 of this file's map is being written.
 *   3. records fill generation N+1: blocks that stay, and blocks that were spilled. Checkpoints may
 *      move them to the index meanwhile.
 *   4. one record: the inode with generation N+1, the new size and times. This is the commit.
 *   5. generation N is freed, apart from the blocks that N+1 has too.
 *
 * A crash before 4 leaves the old file and an unfinished generation N+1, which recovery frees before
 * anything else is published to the file; after 4 the new file, and generation N is freed instead.
 * The records follow each other in the ring, so 4 is never durable without 2 and 3.
 */
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Engine } from './engine.ts'
import { type PublishOptions, finishInode } from './publish-ops.ts'
import { releaseMap } from './release-map.ts'
import { type FileState, HOLE, type ShadowFork } from './shadow-fork.ts'
import { settle } from './settle.ts'
import { spillPages } from './spill.ts'

/** Leaves that one record fills. */
const LEAVES_PER_RECORD = 16

/** Requires: the caller holds the file's lock. */
export async function publishLarge(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  options: PublishOptions,
): Promise<void> {
  spillPages(engine, fork)
  await settle(engine, fork) // 1.
  const oldGeneration = engine.inodes.get(file.ino).mapGeneration
  const generation = oldGeneration + 1
  await commitSmall(engine, (change) => {
    change.putPendingMap(file.ino, generation) // 2.
  })
  const blockCount = await fillGeneration(engine, file, fork, generation) // 3.
  await commitSmall(engine, (change) => {
    const draft = change.inode(file.ino)
    draft.mapGeneration = generation
    draft.blockCount = blockCount
    finishInode(engine, fork, draft)
    change.removePendingMap(file.ino, generation)
    change.putPendingMap(file.ino, oldGeneration)
    options.also?.(change) // 4.
  })
  file.shadow = undefined
  await releaseMap(engine, file.ino, oldGeneration, generation) // 5.
  await commitSmall(engine, (change) => {
    change.removePendingMap(file.ino, oldGeneration)
  })
}

async function commitSmall(
  engine: Engine,
  fill: (change: ReturnType<Engine['begin']>) => void,
): Promise<void> {
  if (!engine.hasRoom) await engine.room()
  const change = engine.begin()
  fill(change)
  engine.commit(change)
}

/** Writes the new map; returns how many blocks it has. */
async function fillGeneration(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  generation: number,
): Promise<number> {
  const inode = engine.inodes.get(file.ino)
  const old = engine.store.maps.get(file.ino, inode.mapGeneration)
  const leaves = new Set([...fork.spilled.keys(), ...(await old.existingLeaves(0))])
  let blockCount = 0
  const ordered = [...leaves].toSorted((a, b) => a - b)
  for (let i = 0; i < ordered.length; i += LEAVES_PER_RECORD) {
    await commitSmall(engine, (change) => {
      for (const leafIndex of ordered.slice(i, i + LEAVES_PER_RECORD)) {
        for (const run of mergedRuns(engine, file, fork, leafIndex)) {
          const { fileBlock, block } = run
          const checksums = Uint32Array.from(run.checksums)
          change.push({ type: 'remap', ino: file.ino, generation, fileBlock, block, checksums })
          blockCount += checksums.length
        }
      }
    })
  }
  return blockCount
}

interface MappedRun {
  readonly fileBlock: number
  readonly block: number
  readonly checksums: number[]
}

/** What a leaf maps after the publish. */
function mergedRuns(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  leafIndex: number,
): MappedRun[] {
  const { mapGeneration } = engine.inodes.get(file.ino)
  const old = engine.store.maps.get(file.ino, mapGeneration).leaf(leafIndex)
  const runs: MappedRun[] = []
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const fileBlock = leafIndex * LEAF_BLOCKS + slot
    const spilled = fork.spilledBlock(fileBlock)
    const isOld = spilled === 0 && fileBlock < fork.cutBlock && !fork.freshMap
    const block = isOld ? (old?.block(slot) ?? 0) : spilled
    if (block === 0 || block === HOLE) continue
    const checksum = isOld ? (old?.checksum(slot) ?? 0) : fork.spilledChecksum(fileBlock)
    const last = runs.at(-1)
    if (
      last !== undefined &&
      last.fileBlock + last.checksums.length === fileBlock &&
      last.block + last.checksums.length === block
    ) {
      last.checksums.push(checksum)
    } else {
      runs.push({ fileBlock, block, checksums: [checksum] })
    }
  }
  return runs
}
