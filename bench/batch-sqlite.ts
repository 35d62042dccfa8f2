/**
 * SQLite that uses batch atomic writes where the filesystem offers them, driven by Python. It is the same
 * library on both sides: below it finds no such offer and keeps its journal.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LostUpdateError } from './pages.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/batch-sqlite.mjs', import.meta.url))
const TIMEOUT_MS = 300_000

const PROGRAM = `
import random, sqlite3, sys, time
path, mode, count, rows = sys.argv[1], sys.argv[2], int(sys.argv[3]), 4000
db = sqlite3.connect(path, isolation_level=None)
assert ('ENABLE_BATCH_ATOMIC_WRITE',) in db.execute('PRAGMA compile_options').fetchall()
db.execute(f'PRAGMA journal_mode = {mode}')
db.execute('PRAGMA synchronous = FULL')
db.execute('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, version INTEGER, pad BLOB)')
if db.execute('SELECT count(*) FROM t').fetchone() == (0,):
    db.execute('BEGIN')
    for id in range(rows): db.execute('INSERT INTO t VALUES (?, 0, randomblob(4000))', (id,))
    db.execute('COMMIT')
sum_of = lambda: db.execute('SELECT sum(version) FROM t').fetchone()[0]
before = sum_of()
started = time.perf_counter()
for _ in range(count):
    db.execute('BEGIN IMMEDIATE')
    for id in random.sample(range(rows), 16):
        db.execute('UPDATE t SET version = version + 1, pad = randomblob(4000) WHERE id = ?', (id,))
    db.execute('COMMIT')
rate = count / (time.perf_counter() - started)
db.close()
db = sqlite3.connect(path)
assert sum_of() == before + 16 * count
assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
print(rate)
`

export interface RowsRequest {
  readonly path: string
  readonly journalMode: 'DELETE' | 'WAL'
  readonly count: number
}

/** Where the library is; undefined where it cannot be built. */
export function batchLibrary(): string | undefined {
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Commits 16 rows of 4 KiB at a time; returns how many times in a second. */
export function commitRows({ path, journalMode, count }: RowsRequest): number {
  const { status, stdout, stderr } = spawnSync(
    'python3',
    ['-c', PROGRAM, path, journalMode, String(count)],
    {
      env: { ...process.env, LD_PRELOAD: batchLibrary() },
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    },
  )
  if (stderr.includes('AssertionError')) throw new LostUpdateError(`"${path}": ${stderr}`)
  if (status !== 0) throw new Error(`SQLite failed on "${path}": ${stderr}`)
  return Number(stdout)
}
