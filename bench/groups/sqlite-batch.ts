/** SQLite with batch atomic writes, against its own journals on the disk below. */
import { batchLibrary } from '../batch-sqlite.ts'
import { inTurns } from '../rounds.ts'
import { type Group, withSides } from './group.ts'

export const sqliteBatch: Group = async (context) => {
  if (batchLibrary() === undefined) return []
  return withSides(context, async ({ worker, scale, folder, ours, below }) => {
    const count = Math.ceil(scale.sqliteUpdates / 4)
    const commit = (path: string, journalMode: 'DELETE' | 'WAL') => async (): Promise<number> =>
      worker.run('commitRows', { path, journalMode, count })
    const values = await inTurns(scale.roundCount, folder, {
      ours: commit(ours('database'), 'DELETE'),
      rollback: commit(below('rollback'), 'DELETE'),
      wal: commit(below('wal'), 'WAL'),
    })
    const figure = {
      name: 'SQLite, 16 rows of 4 KiB, batch atomic',
      unit: 'commits/s',
      ours: values.ours,
      judged: 'times',
    } as const
    return [
      {
        ...figure,
        other: { name: 'DELETE, synchronous=FULL', values: values.rollback },
        bounds: { must: 0.7, aim: 2 },
      },
      {
        ...figure,
        other: { name: 'WAL, synchronous=FULL', values: values.wal },
        bounds: { must: 0.7 },
      },
    ]
  })
}
