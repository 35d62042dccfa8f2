/**
 * Goal: after a crash at any moment both files of an exchange are as before or both are exchanged, with
 * what was staged of them, and no block has two owners or none.
 * Method: see run-workload.ts.
 */
import { test } from 'node:test'
import { exchangeContent } from './exchange-steps.ts'
import * as files from './file-steps.ts'
import * as names from './name-steps.ts'
import { BLOCK, TIMEOUT, runWorkload } from './run-workload.ts'

/** More than fits a record of the smallest ring. */
const SCATTERED_BLOCKS = 4600

test('an exchange is there whole or not at all, with what was staged', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.create(session, '/b')
    for (const path of ['/a', '/b']) {
      await files.write(session, path, 0, random.bytes(20 * BLOCK + 9))
      await files.fsync(session, path)
    }
    for (const [blocks, durable] of [
      [3, true],
      [0, false],
      [5, false],
      [0, true],
    ] as const) {
      await files.write(session, '/a', random.int(80_000), random.bytes(3000))
      await files.write(session, '/b', random.int(80_000), random.bytes(70 * BLOCK))
      const places = { at: random.int(3), otherAt: random.int(9), blocks, durable }
      await exchangeContent(session, ['/a', '/b'], places)
      if (blocks === 5) await names.checkpoint(session)
      await exchangeContent(session, ['/b', '/b'], { at: 0, otherAt: 4, blocks: 3, durable })
    }
    await files.truncate(session, '/a', 5000)
    await exchangeContent(session, ['/b', '/a'], { at: 0, otherAt: 0, blocks: 0, durable: true })
    await names.unlink(session, '/b')
  }),
)

test('an exchange too large for one commit is there whole or not at all', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.create(session, '/b')
      await files.write(session, '/b', 0, random.bytes(90 * BLOCK + 1))
      await files.fsync(session, '/b')
      await files.scatter(session, '/a', SCATTERED_BLOCKS, random.bytes(SCATTERED_BLOCKS))
      const places = { at: 0, otherAt: 0, blocks: 0, durable: true }
      await exchangeContent(session, ['/a', '/b'], places)
      await files.write(session, '/b', 5, random.bytes(5))
      await files.fsync(session, '/b')
      await names.checkpoint(session)
    },
    { momentCount: 40 },
  ),
)
