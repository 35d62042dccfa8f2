/** Commits of random pages: by fsync on our mount, by a copy and in place on the disk below. */
import type { Bounds, Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { type Group, type Sides, showSize, withSides } from './group.ts'

const MAIN_PAGES = 16

interface Goal {
  readonly copy: Bounds
  readonly inPlace: Bounds
}

const GOALS: Readonly<Record<number, Goal>> = {
  1: { copy: {}, inPlace: { must: 0.5, aim: 1 } },
  [MAIN_PAGES]: { copy: { must: 20, aim: 100 }, inPlace: { must: 0.4, aim: 1 } },
  64: { copy: {}, inPlace: { must: 0.6, aim: 1.5 } },
}

const UNBOUNDED: Goal = { copy: {}, inPlace: {} }

export const commits: Group = (context) =>
  withSides(context, async (sides) => {
    const { worker, scale } = sides
    for (const path of [sides.ours('small'), sides.below('copied'), sides.below('in-place')]) {
      await worker.run('writeAll', { path, sizeBytes: scale.smallFileBytes })
    }
    await worker.run('writeAll', { path: sides.ours('large'), sizeBytes: scale.largeFileBytes })
    const figures: Figure[] = []
    for (const pageCount of [MAIN_PAGES, 1, 64]) {
      figures.push(...(await measureCommits(sides, pageCount)))
    }
    await verifyAll(sides)
    return figures
  })

async function measureCommits(sides: Sides, pageCount: number): Promise<Figure[]> {
  const { scale, worker } = sides
  const commit = (path: string, method: 'in place' | 'copy') => async (): Promise<number> => {
    const request = { path, method, pageCount, timeMs: scale.commitTimeMs }
    return (await worker.run('commitPages', request)).perSecond
  }
  const turns = {
    ours: commit(sides.ours('small'), 'in place'),
    copy: commit(sides.below('copied'), 'copy'),
    inPlace: commit(sides.below('in-place'), 'in place'),
    large: commit(sides.ours('large'), 'in place'),
  }
  // Warm up: the extent maps come from the index when they are first used.
  await inTurns(1, sides.folder, turns)
  const { ours, copy, inPlace, large } = await inTurns(scale.roundCount, sides.folder, turns)
  const size = showSize(scale.smallFileBytes)
  const what = `commit of ${pageCount} random 4 KiB ${pageCount === 1 ? 'page' : 'pages'}`
  const common = { unit: 'commits/s', judged: 'times' } as const
  const goal = GOALS[pageCount] ?? UNBOUNDED
  return [
    {
      ...common,
      name: `${what}, ${size} file`,
      ours,
      other: { name: 'copy, fsync, rename', values: copy },
      bounds: goal.copy,
    },
    {
      ...common,
      name: `${what}, ${size} file`,
      ours,
      other: { name: 'in place, not atomic', values: inPlace },
      bounds: goal.inPlace,
    },
    {
      ...common,
      name: `${what}, ${showSize(scale.largeFileBytes)} file`,
      ours: large,
      other: { name: `ours at ${size}`, values: ours },
      bounds: pageCount === MAIN_PAGES ? { must: 0.7, aim: 1 } : {},
    },
  ]
}

/** Reads everything back from the disk: a mount made anew has nothing cached. */
async function verifyAll({ worker, mounted, ours, below }: Sides): Promise<void> {
  await mounted.remount()
  for (const path of [ours('small'), ours('large'), below('copied'), below('in-place')]) {
    await worker.run('verify', { path })
  }
}
