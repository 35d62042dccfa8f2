/**
 * SQLite built with batch atomic writes, otherwise unmodified, below Python's own module. A database
 * of the programs here has 64 rows, and transaction number k gives 16 of them the number k: so what
 * a database must hold can be computed from k, and half a transaction is seen.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { python, run } from './run.ts'

const SCRIPT = fileURLToPath(new URL('../../../../scripts/batch-sqlite.mjs', import.meta.url))
const BUILD_TIMEOUT_MS = 300_000

/** What Python needs in its environment to use it. */
export async function batchSqlite(): Promise<Readonly<Record<string, string>>> {
  const library = await run(process.execPath, [SCRIPT], { timeoutMs: BUILD_TIMEOUT_MS })
  return { LD_PRELOAD: library.trim() }
}

/** Begins every program: arguments are the database and, mostly, what a transaction is noted in. */
export const DATABASE = `
import sqlite3
path, notes = sys.argv[1], sys.argv[2]
def connected():
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    options = [option for (option,) in db.execute('PRAGMA compile_options')]
    assert 'ENABLE_BATCH_ATOMIC_WRITE' in options, sqlite3.sqlite_version
    db.execute('PRAGMA synchronous = FULL')
    return db
def wanted(k):
    last = {}
    for n in range(max(1, k - 3), k + 1):
        for i in range(16): last[(n * 16 + i) % 64] = n
    return [(id, last.get(id, 0)) for id in range(64)]
def seen(db):
    rows = db.execute('SELECT id, k FROM t ORDER BY id').fetchall()
    k = max(k for _, k in rows)
    assert rows == wanted(k), (k, rows)
    return k
def make(db):
    db.execute('BEGIN')
    db.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, pad BLOB)')
    for id in range(64): db.execute('INSERT INTO t VALUES (?, 0, randomblob(4000))', (id,))
    db.execute('COMMIT')
def transact(db, k):
    db.execute('BEGIN IMMEDIATE')
    for i in range(16):
        db.execute('UPDATE t SET k = ?, pad = randomblob(4000) WHERE id = ?', (k, (k * 16 + i) % 64))
    db.execute('COMMIT')
def acknowledged():
    with open(notes) as file: return max([int(line) for line in file.read().split()], default=0)
def verified(db):
    assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
    k, at_least = seen(db), acknowledged()
    assert at_least <= k <= at_least + 1, (at_least, k)
    left = [name for name in os.listdir(os.path.dirname(path)) if name.startswith(os.path.basename(path) + '-')]
    assert left == [], left
    return k
`

/** What a new database holds; made elsewhere. */
export async function newDatabase(environment: Readonly<Record<string, string>>): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'oatomic-database-'))
  try {
    const path = join(folder, 'db')
    await python(`${DATABASE}\nmake(connected())`, [path, ''], { environment })
    return await readFile(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
