/** Commits to a file that has seen many scattered ones, against those to one just written; both ours. */
import type { Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { type Group, showSize, withSides } from './group.ts'

const AGES = [30, 1000] as const
const AGING_PAGES = 64
const PAGES = 16

const nameOf = (age: number): string => `after-${age}`

export const aged: Group = (context) =>
  withSides(context, async ({ worker, scale, folder, mounted, ours }) => {
    const sizeBytes = scale.smallFileBytes
    const commit = async (path: string, pageCount: number, countMax?: number): Promise<number> => {
      const timeMs = countMax === undefined ? scale.commitTimeMs : Infinity
      const request = { path, pageCount, method: 'in place', timeMs } as const
      const limit = countMax === undefined ? {} : { countMax }
      return (await worker.run('commitPages', { ...request, ...limit })).perSecond
    }
    for (const age of AGES) {
      await worker.run('writeAll', { path: ours(nameOf(age)), sizeBytes })
      await commit(ours(nameOf(age)), AGING_PAGES, age)
    }
    const measure = (name: string) => async (): Promise<number> => {
      // Nothing of what was written or removed is left to be done then; and nothing is in memory.
      await mounted.remount()
      await commit(ours(name), PAGES)
      return commit(ours(name), PAGES)
    }
    const figures: Figure[] = []
    for (const age of AGES) {
      const fresh = async (): Promise<number> => {
        // Measuring would age it, too.
        await worker.run('remove', { path: ours('fresh') })
        await worker.run('writeAll', { path: ours('fresh'), sizeBytes })
        return measure('fresh')()
      }
      const values = await inTurns(scale.roundCount, folder, {
        aged: measure(nameOf(age)),
        fresh,
      })
      figures.push({
        name:
          `commit of ${PAGES} random 4 KiB pages, ${showSize(sizeBytes)} file ` +
          `after ${age.toLocaleString('en')} commits of ${AGING_PAGES} scattered ones`,
        unit: 'commits/s',
        ours: values.aged,
        other: { name: 'just written', values: values.fresh },
        judged: 'times',
        bounds: { must: 0.8, aim: 1 },
      })
    }
    await mounted.remount()
    for (const name of [...AGES.map((age) => nameOf(age)), 'fresh']) {
      await worker.run('verify', { path: ours(name) })
    }
    return figures
  })
