/** Appends of one page, each made durable. */
import { inTurns } from '../rounds.ts'
import { type Group, withSides } from './group.ts'

export const append: Group = (context) =>
  withSides(context, async ({ worker, scale, folder, mounted, ours, below }) => {
    const appendTo = (path: string) => async (): Promise<number> =>
      (await worker.run('appendPages', { path, timeMs: scale.commitTimeMs })).perSecond
    const turns = { ours: appendTo(ours('file')), below: appendTo(below('file')) }
    await inTurns(1, folder, turns)
    const values = await inTurns(scale.roundCount, folder, turns)
    await mounted.remount()
    for (const path of [ours('file'), below('file')]) await worker.run('verify', { path })
    return [
      {
        name: 'append of 4 KiB, fsync',
        unit: 'commits/s',
        ours: values.ours,
        other: { name: 'the disk below', values: values.below },
        judged: 'times',
        bounds: { must: 0.5, aim: 1 },
      },
    ]
  })
