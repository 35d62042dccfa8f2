/** Against a filesystem in C that does nothing but pass calls on, by its writers' own hand. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Bounds, Figure } from '../figures.ts'
import { PASSTHROUGH_NEEDS, Passthrough, buildPassthrough } from '../passthrough.ts'
import { inTurns } from '../rounds.ts'
import { type Database, hasSqlite } from '../sqlite.ts'
import { type Group, type Sides, withSides } from './group.ts'
import { measureSmallFiles } from './small-files.ts'

const OTHER = 'C passthrough'
const JOURNAL_MODES = ['WAL', 'DELETE', 'OFF'] as const
/** Their file is handed out without a cache, and refuses O_DIRECT for the alignment of their buffer. */
const KINDS = [
  { name: 'statx with AT_STATX_FORCE_SYNC', ours: 'stat', theirs: 'stat' },
  { name: '4 KiB O_DIRECT write', ours: 'direct write', theirs: 'write' },
] as const
const PAGE_COUNTS = [1, 16, 64]

/** How it caches: as it does unless told otherwise, not at all, and as much as it can. */
const MODES = {
  auto: 'no_writeback,cache=auto',
  never: 'no_writeback,cache=never',
  writeback: 'writeback,cache=always',
} as const

interface Rivals {
  readonly sides: Sides
  /** A path on a mount of theirs. */
  readonly theirs: (mode: keyof typeof MODES, name: string) => string
}

export const passthrough: Group = async (context) => {
  const program = buildPassthrough(context.folder)
  if (program === undefined) {
    process.stderr.write(`passthrough: left out; it needs root and: ${PASSTHROUGH_NEEDS}\n`)
    return []
  }
  return withSides(context, async (sides) => {
    const mounts = new Map<string, Passthrough>()
    try {
      for (const [mode, options] of Object.entries(MODES)) {
        const folder = join(context.folder, mode)
        mkdirSync(folder)
        mounts.set(mode, await Passthrough.start(program, folder, options))
      }
      const theirs: Rivals['theirs'] = (mode, name) => join(mounts.get(mode)?.path ?? '', name)
      const rivals = { sides, theirs }
      return [
        ...(await roundTrips(rivals)),
        ...(await commits(rivals)),
        ...(await measureSmallFiles(sides, {
          name: OTHER,
          folder: theirs('auto', 'files'),
          bounds: { must: 1, aim: 3 },
        })),
        ...(await databases(rivals)),
      ]
    } finally {
      for (const mount of mounts.values()) mount.stop()
    }
  })
}

function figure(
  what: { readonly name: string; readonly unit: string; readonly bounds: Bounds },
  values: { readonly ours: readonly number[]; readonly theirs: readonly number[] },
  other = OTHER,
): Figure {
  const { ours, theirs } = values
  return { ...what, ours, other: { name: other, values: theirs }, judged: 'times' }
}

async function roundTrips({ sides, theirs }: Rivals): Promise<Figure[]> {
  const { worker, scale, folder, ours } = sides
  const paths = { ours: ours('round-trips'), theirs: theirs('never', 'round-trips') }
  for (const path of Object.values(paths))
    await worker.run('writeAll', { path, sizeBytes: 2 ** 20 })
  const figures: Figure[] = []
  for (const { name, ...kinds } of KINDS) {
    const call = (side: 'ours' | 'theirs') => async (): Promise<number> => {
      const request = { path: paths[side], kind: kinds[side], timeMs: scale.commitTimeMs }
      return worker.run('roundTrips', request)
    }
    const turns = { ours: call('ours'), theirs: call('theirs') }
    const values = await inTurns(scale.roundCount, folder, turns)
    figures.push(figure({ name, unit: 'calls/s', bounds: { must: 0.7, aim: 1 } }, values))
  }
  return figures
}

/** Theirs are not atomic. */
async function commits({ sides, theirs }: Rivals): Promise<Figure[]> {
  const { worker, scale, folder, ours } = sides
  const paths = { ours: ours('commits'), theirs: theirs('writeback', 'commits') }
  for (const path of Object.values(paths)) {
    await worker.run('writeAll', { path, sizeBytes: scale.smallFileBytes })
  }
  const figures: Figure[] = []
  for (const pageCount of PAGE_COUNTS) {
    const commit = (path: string) => async (): Promise<number> => {
      const request = { path, pageCount, method: 'in place', timeMs: scale.commitTimeMs } as const
      return (await worker.run('commitPages', request)).perSecond
    }
    const turns = { ours: commit(paths.ours), theirs: commit(paths.theirs) }
    const values = await inTurns(scale.roundCount, folder, turns)
    const name = `commit of ${pageCount} random 4 KiB page${pageCount === 1 ? '' : 's'}`
    const other = 'C passthrough with writeback, not atomic'
    figures.push(figure({ name, unit: 'commits/s', bounds: {} }, values, other))
  }
  return figures
}

async function databases({ sides, theirs }: Rivals): Promise<Figure[]> {
  if (!hasSqlite()) return []
  const { worker, scale, folder, ours } = sides
  const figures: Figure[] = []
  for (const journalMode of JOURNAL_MODES) {
    const at = (path: string): Database => ({ path, journalMode })
    const paths = { ours: ours(journalMode), theirs: theirs('auto', journalMode) }
    for (const path of Object.values(paths)) await worker.run('prepareDatabase', at(path))
    const update = (path: string) => async (): Promise<number> =>
      worker.run('updateRows', { ...at(path), count: scale.sqliteUpdates })
    const turns = { ours: update(paths.ours), theirs: update(paths.theirs) }
    const values = await inTurns(scale.roundCount, folder, turns)
    const name = `SQLite, update of one row, journal_mode=${journalMode}`
    figures.push(figure({ name, unit: 'commits/s', bounds: { must: 1, aim: 2 } }, values))
  }
  return figures
}
