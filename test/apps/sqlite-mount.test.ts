/** SQLite by its own program: several processes write to one database in each journal mode. */
import assert from 'node:assert/strict'
import { needs, shell } from '../mount/support/run.ts'
import { testOnBoth } from './support/on-both.ts'

const WRITERS = 3
const INSERTS = 12

for (const mode of ['delete', 'truncate', 'wal']) {
  testOnBoth(
    `sqlite3 processes insert at once with journal_mode=${mode}`,
    { timeout: 60_000 },
    async (mount) => {
      await needs('sqlite3', 'sqlite3')
      const options = { cwd: mount.path, timeoutMs: 40_000 }
      const made = await shell(
        `sqlite3 base.db 'PRAGMA journal_mode=${mode}; CREATE TABLE t (writer, n, body)'`,
        options,
      )
      assert.equal(made.trim(), mode)
      await shell(
        `for writer in $(seq ${WRITERS}); do
           for n in $(seq ${INSERTS}); do
             echo "INSERT INTO t VALUES ($writer, $n, randomblob(1500));"
           done | sqlite3 -bail -cmd '.timeout 30000' -cmd 'PRAGMA synchronous=FULL' base.db &
           writers+=($!)
         done
         for writer in "\${writers[@]}"; do wait "$writer"; done`,
        options,
      )
      const ask = `sqlite3 base.db 'PRAGMA integrity_check;
        SELECT count(*), count(DISTINCT writer * 1000 + n), sum(length(body)) FROM t'`
      const rows = WRITERS * INSERTS
      const expected = `ok\n${rows}|${rows}|${rows * 1500}\n`
      assert.equal(await shell(ask, options), expected)
      await mount.crash()
      assert.equal(await shell(ask, options), expected)
    },
  )
}
