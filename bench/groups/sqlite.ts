/** SQLite without a journal of its own on an atomic file, against its write-ahead log below. */
import { inTurns } from '../rounds.ts'
import { type Database, hasSqlite } from '../sqlite.ts'
import { type Group, withSides } from './group.ts'

export const sqlite: Group = async (context) => {
  if (!hasSqlite()) return []
  return withSides(context, async ({ worker, scale, folder, ours, below }) => {
    const ourDatabase: Database = { path: ours('database'), journalMode: 'OFF' }
    const other: Database = { path: below('database'), journalMode: 'WAL' }
    await worker.run('prepareDatabase', ourDatabase)
    await worker.run('prepareDatabase', other)
    const update = (database: Database) => async (): Promise<number> =>
      worker.run('updateRows', { ...database, count: scale.sqliteUpdates })
    const values = await inTurns(scale.roundCount, folder, {
      ours: update(ourDatabase),
      other: update(other),
    })
    return [
      {
        name: 'SQLite, update of one row, no journal',
        unit: 'commits/s',
        ours: values.ours,
        other: { name: 'WAL, synchronous=FULL', values: values.other },
        judged: 'times',
        bounds: {},
      },
    ]
  })
}
