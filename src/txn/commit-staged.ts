/**
 * One commit of what is staged for several files. It is made again until there is room for it, and
 * made smaller until it fits: maps that do not are written before it, where nothing refers to them.
 */
import { FsError } from '../errors.ts'
import type { Change } from './change.ts'
import { leavesToCut } from './cut-leaves.ts'
import type { Engine } from './engine.ts'
import { writeNewMap } from './publish-large.ts'
import {
  type PublishOptions,
  type Staged,
  commitPages,
  pushMapChange,
  recordBlocks,
} from './publish-ops.ts'
import { foldSavepoints } from './savepoints.ts'
import { settle } from './settle.ts'
import type { FileState, ShadowFork } from './shadow-fork.ts'
import { spillPages } from './spill.ts'

/** A map that takes less of a record than this would gain nothing from being written before. */
const SMALL_MAP_BYTES = 1024

/** What a map that is written before takes of the record, at most. */
const NEW_MAP_BYTES = 128

/**
 * What is staged for files, with its spilled blocks durable. Requires: the caller holds the files'
 * locks. Throws what broke a fork.
 */
export async function settleStaged(
  engine: Engine,
  files: readonly FileState[],
): Promise<readonly Staged[]> {
  const forks = [...new Set(files)].flatMap((file) => file.shadow ?? [])
  const broken = forks.find((fork) => fork.broken !== undefined)?.broken
  if (broken !== undefined) throw broken
  await settleSpilled(engine, forks)
  const all: Staged[] = []
  for (const file of new Set(files)) {
    const fork = foldSavepoints(engine, file)
    if (fork === undefined) continue
    all.push({ file, fork, cutLeaves: await leavesToCut(engine, file, fork), newMap: undefined })
  }
  return all
}

async function settleSpilled(engine: Engine, forks: readonly ShadowFork[]): Promise<void> {
  const isSpilled = forks.some((fork) => fork.hasSpilled || fork.writesUnderWay.size > 0)
  if (isSpilled) await settle(engine, forks)
}

/**
 * Commits as soon as there is room. Returns what kept `also` from being in it: new maps cannot be
 * taken back, so files that have one are published without, and where that fails, too, as on a damaged
 * volume, the volume is read-only.
 */
export async function commitStaged(
  engine: Engine,
  all: readonly Staged[],
  options: PublishOptions,
): Promise<{ readonly error: unknown } | undefined> {
  try {
    return await commitWhole(engine, all, options)
  } catch (error) {
    if (all.some(({ newMap }) => newMap !== undefined)) engine.health.fail(error)
    throw error
  }
}

async function commitWhole(
  engine: Engine,
  all: readonly Staged[],
  options: PublishOptions,
): Promise<{ readonly error: unknown } | undefined> {
  for (;;) {
    const hasNewMap = all.some(({ newMap }) => newMap !== undefined)
    const soon = options.soon && !hasNewMap
    // After whatever is waited for, inodes may have changed, so the change is made again.
    const change = changeOrWait(engine, all, soon, options.moreBytes)
    if (change instanceof Promise) {
      await change
      continue
    }
    // First, because it may refuse, and what pushPages allocates could not be taken back.
    const refusal = refusalOf(change, options)
    if (refusal !== undefined && !hasNewMap) throw refusal.error
    const replaced = all
      .filter(({ fork, newMap }) => fork.freshMap && newMap === undefined)
      .map(({ file: { ino } }) => ({ ino, generation: engine.inodes.get(ino).mapGeneration }))
    commitPages(engine, all, refusal === undefined ? change : mapChange(engine, all).change, {
      ...options,
      soon,
    })
    for (const { ino, generation } of replaced) engine.onMapReplaced(ino, generation)
    return refusal
  }
}

/**
 * The change if there is room for it now; else what comes before. A function of its own, so that nobody holds
 * on to a change that is too large, with hundreds of bytes for each block, while its maps are written.
 */
function changeOrWait(
  engine: Engine,
  all: readonly Staged[],
  soon: boolean | undefined,
  moreBytes = 0,
): Change | Promise<void> {
  const { change, mapBytes } = mapChange(engine, all)
  const shrinking = shrink(engine, all, mapBytes, moreBytes)
  if (shrinking !== undefined) return shrinking
  const blockCount = commitBlocks(engine, change.sizeBytes + moreBytes, all)
  const { journal } = engine
  return journal.hasRoom(blockCount, soon) ? change : journal.room(blockCount, soon)
}

/** All but the pages, and how many bytes of the record each file's map takes. */
function mapChange(
  engine: Engine,
  all: readonly Staged[],
): { readonly change: Change; readonly mapBytes: readonly number[] } {
  const change = engine.begin()
  const mapBytes = all.map((staged) => {
    const before = change.sizeBytes
    pushMapChange(engine, staged, change)
    return change.sizeBytes - before
  })
  return { change, mapBytes }
}

function refusalOf(
  change: Change,
  { also }: PublishOptions,
): { readonly error: unknown } | undefined {
  try {
    also?.(change)
    return undefined
  } catch (error) {
    return { error }
  }
}

/**
 * Takes out of the commit what makes it too large: maps that do not fit a record are written before
 * it, and so are many pages. Undefined if it is not too large. Throws FsError EFBIG where that does
 * not help, and ENOSPC: so many pages may need more blocks than were set aside.
 */
function shrink(
  engine: Engine,
  all: readonly Staged[],
  mapBytes: readonly number[],
  moreBytes = 0,
): Promise<void> | undefined {
  const isLarge = largeMaps(engine, all, mapBytes)
  const large = all.filter((_, i) => isLarge[i] === true)
  const bytesLeft = mapBytes.reduce((sum, bytes, i) => sum + (isLarge[i] === true ? 0 : bytes), 0)
  if (commitBlocks(engine, bytesLeft + moreBytes, all) <= engine.journal.commitBlocksMax) {
    return large.length > 0 ? writeNewMaps(engine, large) : undefined
  }
  const forks = all.flatMap(({ fork, newMap }) =>
    newMap === undefined && fork.pages.size > 0 ? fork : [],
  )
  if (forks.length > 0) return spillAll(engine, forks)
  const isLargest = all.map(
    ({ newMap }, i) => newMap === undefined && (mapBytes[i] ?? 0) > SMALL_MAP_BYTES,
  )
  const largest = all.filter((_, i) => isLargest[i] === true)
  const bytesThen = mapBytes.reduce(
    (sum, bytes, i) => sum + (isLargest[i] === true ? NEW_MAP_BYTES : bytes),
    0,
  )
  const fitsThen =
    commitBlocks(engine, bytesThen + moreBytes, all) <= engine.journal.commitBlocksMax
  if (largest.length > 0 && fitsThen) return writeNewMaps(engine, largest)
  throw new FsError('EFBIG', `The changes of ${all.length} files do not fit one commit`)
}

async function writeNewMaps(engine: Engine, large: readonly Staged[]): Promise<void> {
  for (const staged of large) staged.newMap = await writeNewMap(engine, staged)
}

/** Which maps do not fit a record, so that they have to be written before. */
function largeMaps(
  engine: Engine,
  all: readonly Staged[],
  mapBytes: readonly number[],
): readonly boolean[] {
  return all.map(
    ({ fork, newMap }, i) =>
      newMap === undefined &&
      recordBlocks(mapBytes[i] ?? 0, fork.pages.size) > engine.journal.recordBlocksMax,
  )
}

/** Whether a commit takes all of it, and so many bytes more, without a map that is written before. */
export function fitsOneCommit(engine: Engine, all: readonly Staged[], moreBytes: number): boolean {
  const { change, mapBytes } = mapChange(engine, all)
  const blockCount = commitBlocks(engine, change.sizeBytes + moreBytes, all)
  return (
    blockCount <= engine.journal.commitBlocksMax && !largeMaps(engine, all, mapBytes).includes(true)
  )
}

/** Pages in blocks of the disk leave a line in the record each. */
async function spillAll(engine: Engine, forks: readonly ShadowFork[]): Promise<void> {
  for (const fork of forks) spillPages(engine, fork)
  await settle(engine, forks)
}

/** Room that a commit takes, with what is lost where it is divided into records. */
function commitBlocks(engine: Engine, mapBytes: number, all: readonly Staged[]): number {
  const pageCount = all.reduce((sum, { fork }) => sum + fork.pages.size, 0)
  const blockCount = recordBlocks(mapBytes, pageCount, all.length)
  return blockCount + 2 * Math.floor(blockCount / engine.journal.recordBlocksMax)
}
