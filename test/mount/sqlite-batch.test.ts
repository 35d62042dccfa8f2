/**
 * Goal: SQLite that was built for it makes its transactions without a journal, and what it assumes of
 * the filesystem for that holds (doc/F2FS.txt of its sources): a rollback restores, a crash leaves
 * the state before or after, and the death of a client is rolled back before its locks are dropped.
 * Method: writers are killed in the middle, and so is the daemon, while readers look all the time.
 */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { DATABASE, batchSqlite } from './support/batch-sqlite.ts'
import { type Mount, mounted } from './support/mount.ts'
import { needs, python, run, startPython } from './support/run.ts'

const SECONDS = Number(process.env['OATOMIC_KILL_SECONDS'] ?? 8)
const TEST = { timeout: (SECONDS + 400) * 1000 }

const MAKE = `${DATABASE}
make(connected())
`

const WRITE = `${DATABASE}
db = connected()
k = verified(db)
with open(notes, 'a') as file:
    # What its predecessor was killed before it could note counts from here on.
    file.write(f'{k}\\n'); file.flush()
    say('ready')
    while True:
        k += 1
        transact(db, k)
        file.write(f'{k}\\n'); file.flush()
`

const READ = `${DATABASE}
db = connected()
say('ready')
last = 0
while True:
    k = seen(db)
    assert k >= last, (last, k)
    last = k
`

const VERIFY = `${DATABASE}
print(verified(connected()))
`

interface Bench {
  readonly mount: Mount
  readonly parameters: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

async function withDatabase(context: TestContext): Promise<Bench> {
  const environment = await batchSqlite()
  const mount = await mounted(context)
  const notes = join(mount.folder, 'notes')
  await writeFile(notes, '')
  const parameters = [mount.at('db'), notes]
  await python(MAKE, parameters, { environment })
  return { mount, parameters, environment }
}

const pause = (timeMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, timeMs)
  })

test('SQLite makes transactions without a journal', TEST, async (context) => {
  await needs('strace', 'strace')
  const { mount, parameters, environment } = await withDatabase(context)
  const trace = join(mount.folder, 'trace')
  const program = `${DATABASE}
import os
db = connected()
for k in range(1, 21): transact(db, k)
db.execute('BEGIN')
db.execute('UPDATE t SET k = 99')
db.execute('ROLLBACK')
assert seen(db) == 20
assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
`
  const variables = Object.entries(environment).flatMap(([name, value]) => ['-E', `${name}=${value}`]) // prettier-ignore
  const calls = ['-f', '-e', 'trace=open,openat,unlink,ioctl', '-o', trace]
  await run('strace', [...calls, ...variables, 'python3', '-c', `import os, sys\n${program}`, ...parameters]) // prettier-ignore
  const lines = (await readFile(trace, 'utf8')).split('\n')
  const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length
  assert.equal(count(/db-(journal|wal)/), 0, 'no journal is made')
  const commit = /F2FS_IOC_COMMIT_ATOMIC_WRITE|0xf5, 0x0?2\b|0xf502/
  assert.equal(count(commit), 20, 'each transaction is one COMMIT')
  await mount.unmount()
})

test('clients that are killed leave SQLite nothing to see', TEST, async (context) => {
  const random = new Random(testSeed())
  context.diagnostic(`OATOMIC_SEED=${random.seed}`)
  const { mount, parameters, environment } = await withDatabase(context)
  const reader = startPython(READ, parameters, { environment, timeoutMs: 3_600_000 })
  context.after(() => reader.killed())
  await reader.said('ready')
  const end = Date.now() + SECONDS * 1000
  let killCount = 0
  while (Date.now() < end) {
    // The second waits for the locks of the first, and goes on from what that has left.
    const writer = startPython(WRITE, parameters, { environment })
    await writer.said('ready')
    await pause(random.int(300))
    const { stderr } = await writer.killed()
    assert.equal(stderr, '')
    killCount++
  }
  const { stderr } = await reader.killed()
  assert.equal(stderr, '')
  const k = await python(VERIFY, parameters, { environment })
  context.diagnostic(`${killCount} kills, ${k.trim()} transactions`)
  await mount.unmount()
})

test('a daemon that is killed leaves SQLite its last transaction', TEST, async (context) => {
  const random = new Random(testSeed())
  context.diagnostic(`OATOMIC_SEED=${random.seed}`)
  const { mount, parameters, environment } = await withDatabase(context)
  const end = Date.now() + SECONDS * 1000
  let killCount = 0
  while (Date.now() < end) {
    const writer = startPython(WRITE, parameters, { environment })
    await writer.said('ready')
    await pause(random.int(400))
    await mount.kill()
    await writer.killed()
    await mount.remount()
    await python(VERIFY, parameters, { environment })
    killCount++
  }
  context.diagnostic(`${killCount} kills`)
  await mount.unmount()
})
