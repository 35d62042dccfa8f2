/** SQLite's command-line program, as a user of files. */
import { spawnSync } from 'node:child_process'
import { LostUpdateError } from './pages.ts'

const ROW_COUNT = 1000
const TIMEOUT_MS = 120_000

export interface Database {
  readonly path: string
  /** `OFF` leaves it to the filesystem that a commit is atomic. */
  readonly journalMode: 'OFF' | 'WAL' | 'DELETE'
}

const updatesOf = new Map<string, number>()

export function hasSqlite(): boolean {
  return spawnSync('sqlite3', ['--version']).status === 0
}

export function prepareDatabase({ path, journalMode }: Database): void {
  execute({ path, journalMode }, [
    'BEGIN;',
    'CREATE TABLE entries (id INTEGER PRIMARY KEY, version INTEGER, filler BLOB);',
    `WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < ${ROW_COUNT})`,
    'INSERT INTO entries SELECT id, 0, randomblob(500) FROM ids;',
    'COMMIT;',
  ])
  updatesOf.set(path, 0)
}

/** Commits updates of single rows, reads them back, and returns how many were made in a second. */
export function updateRows({ path, journalMode, count }: Database & { count: number }): number {
  const updates = Array.from({ length: count }, () => {
    const id = 1 + Math.floor(Math.random() * ROW_COUNT)
    return `UPDATE entries SET version = version + 1 WHERE id = ${id};`
  })
  const started = performance.now()
  execute({ path, journalMode }, updates)
  const rate = (count * 1000) / (performance.now() - started)
  const expected = (updatesOf.get(path) ?? 0) + count
  updatesOf.set(path, expected)
  const found = execute({ path, journalMode }, ['SELECT sum(version) FROM entries;'])
  const state = execute({ path, journalMode }, ['PRAGMA integrity_check;'])
  if (found !== String(expected) || state !== 'ok') {
    throw new LostUpdateError(`"${path}" has ${found} updates, not ${expected}; check: ${state}`)
  }
  return rate
}

/** Runs a script; returns the last line of its output. */
function execute({ path, journalMode }: Database, script: readonly string[]): string {
  const settings = [`PRAGMA journal_mode = ${journalMode};`, 'PRAGMA synchronous = FULL;']
  const result = spawnSync('sqlite3', ['-batch', '-bail', path], {
    input: [...settings, ...script].join('\n'),
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  if (result.status !== 0) throw new Error(`sqlite3 failed on "${path}": ${result.stderr}`)
  return result.stdout.trim().split('\n').at(-1) ?? ''
}
