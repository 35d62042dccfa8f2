/**
 * A random workload: atomic and ordinary files, every way to publish, names, and so many long
 * attributes that LevelDB begins new logs, writes tables and compacts them.
 */
import assert from 'node:assert/strict'
import { type State, changeNode, cloneState, differences } from '../crash/model.ts'
import type { Random } from '../support/random.ts'
import type { Session } from './session.ts'
import * as steps from './steps.ts'

const ATOMIC_COUNT = 3
const ORDINARY_COUNT = 3
const DIRECTORY_COUNT = 4

/** From here on runs of a write go to blocks of their own before they are published. */
const LARGE_BYTES = 400 * 1024
const FILE_BYTES = 100 * 1024

/** Every kind of step, more often what matters more. */
const KINDS = [
  'atomic',
  'atomic',
  'atomic',
  'large',
  'rollback',
  'transaction',
  'reopen',
  'ordinary',
  'ordinary',
  'truncate',
  'names',
  'names',
  'links',
  'mode',
  'sync',
  'attributes',
  'attributes',
  'attributes',
] as const

export async function runWorkload(
  session: Session,
  random: Random,
  roundCount: number,
): Promise<void> {
  for (let i = 0; i < DIRECTORY_COUNT; i++) await steps.makeDirectory(session, `/d${i}`)
  for (let i = 0; i < ATOMIC_COUNT; i++) await steps.create(session, `/a${i}`, true)
  for (let i = 0; i < ORDINARY_COUNT; i++) await steps.create(session, `/d${i}/o`, false)
  for (let round = 0; round < roundCount; round++) {
    await runRound(session, random, random.pick(KINDS), round)
  }
  // A process that ends publishes what it has open; as a step it is known when.
  for (const path of session.opened.keys()) await steps.close(session, path)
  await assertLive(session)
}

/** Transactions of SQLite, with others of the same kind beside them. */
export async function runDatabase(
  session: Session,
  database: Uint8Array,
  roundCount: number,
): Promise<void> {
  await steps.create(session, '/db', false)
  await steps.write(session, '/db', 0, database)
  await steps.sync(session, '/db')
  await steps.close(session, '/db')
  for (let round = 1; round <= roundCount; round++) {
    await steps.transact(session, '/db', round)
    if (round % 3 === 0) await steps.makeDirectory(session, `/d${round}`)
  }
  await assertLive(session)
}

async function runRound(
  session: Session,
  random: Random,
  kind: (typeof KINDS)[number],
  round: number,
): Promise<void> {
  const atomic = `/a${random.int(ATOMIC_COUNT)}`
  const ordinary = `/d${random.int(ORDINARY_COUNT)}/o`
  switch (kind) {
    case 'atomic': {
      await writeSome(session, random, atomic)
      await steps.sync(session, atomic)
      break
    }
    case 'large': {
      await steps.write(session, atomic, random.int(20_000), random.bytes(LARGE_BYTES))
      await steps.sync(session, atomic)
      await steps.truncate(session, atomic, random.int(FILE_BYTES))
      break
    }
    case 'rollback': {
      await writeSome(session, random, atomic)
      await steps.rollback(session, atomic)
      break
    }
    case 'transaction': {
      if (random.oneIn(2)) await writeSome(session, random, atomic)
      await steps.inTransaction(session, atomic, random.oneIn(3) ? 'abort' : 'commit', async () => {
        await writeSome(session, random, atomic)
        if (random.oneIn(2)) await steps.truncate(session, atomic, random.int(FILE_BYTES))
        await steps.inTransaction(session, atomic, 'abort', () =>
          writeSome(session, random, atomic),
        )
      })
      break
    }
    case 'reopen': {
      const path = random.oneIn(2) ? atomic : ordinary
      await writeSome(session, random, path)
      await steps.close(session, path)
      await steps.open(session, path)
      break
    }
    case 'ordinary': {
      await writeSome(session, random, ordinary)
      if (!random.oneIn(3)) await steps.sync(session, ordinary)
      break
    }
    case 'truncate': {
      const path = random.oneIn(2) ? atomic : ordinary
      await steps.truncate(session, path, random.int(FILE_BYTES))
      if (random.oneIn(2)) await steps.sync(session, path)
      break
    }
    case 'names': {
      await changeNames(session, random, `/d${random.int(DIRECTORY_COUNT)}`, round)
      break
    }
    case 'links': {
      await steps.link(session, atomic, `/l${round}`)
      if (random.oneIn(2)) await steps.unlink(session, `/l${round}`)
      break
    }
    case 'mode': {
      await steps.changeMode(session, atomic, random.oneIn(2) ? 0o600 : 0o644)
      break
    }
    case 'sync': {
      await steps.syncDirectory(session, '/')
      break
    }
    case 'attributes': {
      const value = random.bytes(40_000 + random.int(20_000))
      for (let i = 0; i < DIRECTORY_COUNT; i++) {
        await steps.setXattr(session, `/d${i}`, 'user.test', value.subarray(i))
      }
      break
    }
  }
}

async function writeSome(session: Session, random: Random, path: string): Promise<void> {
  for (let count = 1 + random.int(4); count > 0; count--) {
    const data = random.bytes(1 + random.int(9000))
    await steps.write(session, path, random.int(FILE_BYTES - data.length), data)
  }
}

/** A new file, perhaps over an old one: how programs replace files. */
async function changeNames(
  session: Session,
  random: Random,
  folder: string,
  round: number,
): Promise<void> {
  const path = `${folder}/n${round}`
  await steps.create(session, path, random.oneIn(2))
  await writeSome(session, random, path)
  if (random.oneIn(2)) await steps.sync(session, path)
  await steps.close(session, path)
  const fate = random.pick(['replaces', 'goes', 'stays'])
  if (fate === 'replaces') await steps.rename(session, path, `${folder}/replaced`)
  if (fate === 'goes') await steps.unlink(session, path)
  if (random.oneIn(4)) await steps.makeSymlink(session, `${folder}/s${round}`, path)
}

/** The workload did what the model says; a test whose model is wrong proves nothing. */
async function assertLive({ oracle, staged, worker }: Session): Promise<void> {
  const expected: State = cloneState(oracle.live)
  for (const [ino, content] of staged) changeNode(expected, ino, { content })
  assert.deepEqual(differences(expected, await worker.observe()), [])
}
