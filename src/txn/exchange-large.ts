/**
 * An exchange that is too large for one commit: the new maps of both files are written beside their
 * own, as for a large publish, and one commit makes them the files'.
 *
 *   1. staged pages go to blocks of the disk, and all that is spilled is durable.
 *   2. records say that generation N+1 of each file's map is being written, and fill it with what each
 *      is to have. A block that comes from the other place has one owner more from then on.
 *   3. one commit: both inodes with generation N+1, sizes and times; and all that is staged of files
 *      that are published with these.
 *   4. generation N of each file is freed, apart from what N+1 has at the same place. That takes back
 *      the owners of step 2.
 *
 * A crash before 3 leaves both files as they were, and unfinished generations that recovery frees;
 * after 3 both are exchanged, and recovery frees the old ones. An error in between, as when a part of
 * a map cannot be read, leaves what only recovery can clear up: the volume is read-only from then on.
 */
import { invariant } from '../errors.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Change } from './change.ts'
import { commitStaged, settleStaged } from './commit-staged.ts'
import type { Engine } from './engine.ts'
import { type Exchange, counterpart, finishExchange } from './exchange-ops.ts'
import { isPresent } from './exchange-plan.ts'
import { orFailVolume, fillGeneration, mappedLeaves, releaseOldMap } from './publish-large.ts'
import { type Staged, pushNewMap } from './publish-ops.ts'
import { MapRuns } from './runs.ts'
import { resolveBlock } from './resolve.ts'
import { settle } from './settle.ts'
import type { FileState } from './shadow-fork.ts'
import { giveAllBack, spillPages } from './spill.ts'

/** Room in a record for two inodes with their generations. */
const FLIP_BYTES = 2048

interface NewMap {
  readonly file: FileState
  readonly newMap: NonNullable<Staged['newMap']>
}

/** Requires: the caller holds the locks of all files. */
export async function exchangeLarge(
  engine: Engine,
  exchange: Exchange,
  also: (change: Change) => void,
): Promise<void> {
  const files = [...new Set([exchange.first, exchange.second])]
  await spillAll(engine, files) // 1.
  await orFailVolume(engine, async () => {
    const maps: NewMap[] = []
    for (const file of files) maps.push(await writeMap(engine, exchange, file)) // 2.
    const others = await settleStaged(engine, exchange.others ?? [])
    await flip(engine, exchange, maps, others, also) // 3.
    for (const file of [...files, ...others.map((staged) => staged.file)]) {
      if (file.shadow !== undefined) giveAllBack(engine, file.shadow)
      file.shadow = undefined
    }
    for (const map of [...maps, ...others]) await releaseOldMap(engine, map) // 4.
  })
}

/** Throws FsError ENOSPC: pages may need more blocks than were set aside. */
async function spillAll(engine: Engine, files: readonly FileState[]): Promise<void> {
  const forks = files.flatMap(({ shadow }) => shadow ?? [])
  for (const fork of forks) spillPages(engine, fork)
  if (forks.length > 0) await settle(engine, forks)
}

async function writeMap(engine: Engine, exchange: Exchange, file: FileState): Promise<NewMap> {
  const generation = engine.inodes.get(file.ino).mapGeneration + 1
  const leaves = new Set(await mappedLeaves(engine, file))
  for (const leafIndex of await leavesThatCome(engine, exchange, file)) leaves.add(leafIndex)
  const isHole = (of: FileState, fileBlock: number): boolean => !isPresent(engine, of, fileBlock)
  const blockCount = await fillGeneration(
    engine,
    file.ino,
    generation,
    [...leaves],
    (leafIndex) => {
      const runs = new MapRuns()
      for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
        const fileBlock = leafIndex * LEAF_BLOCKS + slot
        const moved = counterpart(exchange, file, fileBlock, isHole)
        addEntry(engine, runs, { file, fileBlock }, moved ?? { file, fileBlock })
      }
      return runs
    },
  )
  return { file, newMap: { generation, blockCount, touchedLeaves: [...leaves] } }
}

/** Leaves of a file in which what comes from the other place lies. */
async function leavesThatCome(
  engine: Engine,
  { first, second, firstBlock, secondBlock, count }: Exchange,
  file: FileState,
): Promise<number[]> {
  const found: number[] = []
  const moves = [
    { from: second, fromBlock: secondBlock, to: first, toBlock: firstBlock },
    { from: first, fromBlock: firstBlock, to: second, toBlock: secondBlock },
  ].filter(({ to }) => to === file)
  for (const { from, fromBlock, toBlock } of moves) {
    for (const leafIndex of await mappedLeaves(engine, from)) {
      const start = Math.max(leafIndex * LEAF_BLOCKS - fromBlock, 0)
      const end = Math.min((leafIndex + 1) * LEAF_BLOCKS - fromBlock, count)
      if (end <= start) continue
      const last = Math.floor((toBlock + end - 1) / LEAF_BLOCKS)
      for (let leaf = Math.floor((toBlock + start) / LEAF_BLOCKS); leaf <= last; leaf++) {
        found.push(leaf)
      }
    }
  }
  return found
}

interface Place {
  readonly file: FileState
  readonly fileBlock: number
}

/** Has a place of the new map refer to what is at another place now, or at the same. */
function addEntry(engine: Engine, runs: MapRuns, place: Place, source: Place): void {
  const found = resolveBlock(engine, source.file, source.fileBlock)
  if (found === undefined) return
  invariant(!('page' in found), 'all pages were spilled')
  const { block, checksum } = found
  const fork = source.file.shadow
  const isFresh = fork !== undefined && fork.spilledBlock(source.fileBlock) !== 0
  const hasOwner = !isFresh || fork.borrowed.has(source.fileBlock)
  const { mapGeneration } = engine.inodes.get(place.file.ino)
  const old = engine.store.maps.get(place.file.ino, mapGeneration).block(place.fileBlock)
  // Both generations of a place count as one owner.
  runs.add(hasOwner && old !== block ? 'share' : 'remap', place.fileBlock, block, checksum)
}

async function flip(
  engine: Engine,
  exchange: Exchange,
  maps: readonly NewMap[],
  others: readonly Staged[],
  also: (change: Change) => void,
): Promise<void> {
  await commitStaged(engine, others, {
    soon: false,
    moreBytes: FLIP_BYTES,
    also: (change) => {
      for (const { file, newMap } of maps) {
        pushNewMap(change, file.ino, newMap)
        if (file.shadow !== undefined) change.inode(file.ino).size = file.shadow.size
      }
      finishExchange(engine, exchange, change)
      also(change)
    },
  })
}
