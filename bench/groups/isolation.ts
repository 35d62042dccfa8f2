/** Commits of random pages of an isolated file, against those of one that its openers share. */
import { execFileSync } from 'node:child_process'
import type { Bounds, Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { type Group, type Sides, showSize, withSides } from './group.ts'

const GOALS: readonly (readonly [pageCount: number, bounds: Bounds])[] = [
  [1, { must: 0.3, aim: 0.7 }],
  [16, {}],
]

export const isolation: Group = (context) =>
  withSides(context, async (sides) => {
    const { worker, scale } = sides
    for (const name of ['shared', 'isolated']) {
      await worker.run('writeAll', { path: sides.ours(name), sizeBytes: scale.smallFileBytes })
    }
    execFileSync('setfattr', ['-n', 'user.atomic', '-v', 'isolated', sides.ours('isolated')])
    const figures: Figure[] = []
    for (const [pageCount, bounds] of GOALS) {
      figures.push(await measureCommits(sides, pageCount, bounds))
    }
    await sides.mounted.remount()
    for (const name of ['shared', 'isolated']) {
      await worker.run('verify', { path: sides.ours(name) })
    }
    return figures
  })

async function measureCommits(sides: Sides, pageCount: number, bounds: Bounds): Promise<Figure> {
  const { scale, worker } = sides
  const commit = (name: string) => async (): Promise<number> => {
    const method = 'in place' as const
    const request = { path: sides.ours(name), method, pageCount, timeMs: scale.commitTimeMs }
    return (await worker.run('commitPages', request)).perSecond
  }
  const turns = { ours: commit('isolated'), shared: commit('shared') }
  await inTurns(1, sides.folder, turns)
  const { ours, shared } = await inTurns(scale.roundCount, sides.folder, turns)
  const pages = pageCount === 1 ? 'page' : 'pages'
  return {
    unit: 'commits/s',
    judged: 'times',
    name: `isolated commit of ${pageCount} random 4 KiB ${pages}, ${showSize(scale.smallFileBytes)} file`,
    ours,
    other: { name: 'shared', values: shared },
    bounds,
  }
}
