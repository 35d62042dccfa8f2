/** Many files in one commit, and many programs at once. */
import type { Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { Worker } from '../worker-client.ts'
import { type Group, type Sides, withSides } from './group.ts'

const FILE_COUNT = 100
const PROCESS_COUNT = 8
const FILE_BYTES = 1024 * 1024

export const together: Group = (context) =>
  withSides(context, async (sides) => [await manyFiles(sides), ...(await manyProcesses(sides))])

async function manyFiles({ worker, scale, folder, ours }: Sides): Promise<Figure> {
  const request = { folder: ours('files'), fileCount: FILE_COUNT, timeMs: scale.commitTimeMs }
  await worker.run('makeAtomicFiles', request)
  const by = (method: 'together' | 'each') => async (): Promise<number> =>
    worker.run('commitFiles', { ...request, method })
  const { all, each } = await inTurns(scale.roundCount, folder, {
    all: by('together'),
    each: by('each'),
  })
  return {
    name: `change of one page in each of ${FILE_COUNT} files, in one commit`,
    unit: 'times/s',
    ours: all,
    other: { name: `${FILE_COUNT} commits`, values: each },
    judged: 'times',
    bounds: { must: 10, aim: 50 },
  }
}

async function manyProcesses(sides: Sides): Promise<Figure[]> {
  const { scale, folder, ours, below } = sides
  const workers = Array.from({ length: PROCESS_COUNT }, () => new Worker())
  try {
    const all = (path: (name: string) => string) =>
      workers.map((worker, i) => ({ worker, path: path(`own-${i}`) }))
    for (const { worker, path } of [...all(ours), ...all(below)]) {
      await worker.run('writeAll', { path, sizeBytes: FILE_BYTES })
    }
    const commit = (users: ReturnType<typeof all>) => async (): Promise<number> => {
      const request = { pageCount: 1, method: 'in place', timeMs: scale.commitTimeMs } as const
      const rates = await Promise.all(
        users.map(({ worker, path }) => worker.run('commitPages', { ...request, path })),
      )
      return rates.reduce((sum, { perSecond }) => sum + perSecond, 0)
    }
    const { many, one, other } = await inTurns(scale.roundCount, folder, {
      many: commit(all(ours)),
      one: commit(all(ours).slice(0, 1)),
      other: commit(all(below)),
    })
    const name = `commits of 1 page by ${PROCESS_COUNT} processes to files of their own`
    const common = { name, unit: 'commits/s', ours: many, judged: 'times' } as const
    return [
      { ...common, other: { name: 'one process', values: one }, bounds: { must: 2, aim: 4 } },
      {
        ...common,
        other: { name: 'in place, not atomic', values: other },
        bounds: { must: 0.6, aim: 1.5 },
      },
    ]
  } finally {
    for (const worker of workers) worker.kill()
  }
}
