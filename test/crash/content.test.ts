/**
 * Goal: whenever the power fails or the daemon dies, a file has one of its published contents, and
 * nothing acknowledged is lost. Method: each workload runs once on a recording device; then the
 * images that a crash after each event could leave are opened and judged.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '../support/random.ts'
import * as files from './file-steps.ts'
import { inoAt } from './model.ts'
import * as names from './name-steps.ts'
import { BLOCK, TIMEOUT, runWorkload } from './run-workload.ts'
import type { Session } from './session.ts'

/** So many extents of one block each do not fit a record of the smallest ring. */
const SCATTERED_BLOCKS = 4010

test('fsync() publishes an overwrite of scattered blocks whole or not at all', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.write(session, '/a', 0, random.bytes(40 * BLOCK))
    await files.fsync(session, '/a')
    for (let round = 0; round < 3; round++) {
      for (const block of [0, 1, 7, 12, 25, 39]) {
        await files.write(session, '/a', block * BLOCK + 100, random.bytes(3000))
      }
      await files.fsync(session, '/a')
    }
    await names.checkpoint(session)
  }),
)

test('close() of an atomic file publishes whole or not at all, and a kill keeps it', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    for (let round = 0; round < 3; round++) {
      await files.write(session, '/a', round * 5000, random.bytes(9 * BLOCK))
      await files.close(session, '/a')
      await files.open(session, '/a')
    }
    await names.checkpoint(session)
    await files.write(session, '/a', 100, random.bytes(12 * BLOCK))
    await files.close(session, '/a')
    await names.checkpoint(session)
  }),
)

test('fsync() publishes appended content with its size', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/log')
    for (let round = 0; round < 8; round++) {
      const at = files.contentNow(session, '/log').length
      await files.write(session, '/log', at, random.bytes(1 + random.int(3 * BLOCK)))
      await files.fsync(session, '/log')
      if (round === 4) await names.checkpoint(session)
    }
  }),
)

test('truncate() down and up shows the old content or zeros, never what was cut', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.write(session, '/a', 0, random.bytes(30 * BLOCK))
    await files.fsync(session, '/a')
    for (const size of [20 * BLOCK + 100, 25 * BLOCK, 5000, 0, 70_000, 100]) {
      await files.truncate(session, '/a', size)
      if (size !== 25 * BLOCK) await files.fsync(session, '/a')
      if (size === 5000) await names.checkpoint(session)
    }
    await files.write(session, '/a', 60 * BLOCK, random.bytes(100))
    await files.truncate(session, '/a', 60 * BLOCK + 50)
    await files.truncate(session, '/a', 61 * BLOCK)
    await files.fsync(session, '/a')
    await names.checkpoint(session)
  }),
)

test('O_TRUNC and a rewrite leave the old or the new file', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    for (const length of [20 * BLOCK, 1000, 9 * BLOCK + 1, 90 * BLOCK, 4 * BLOCK]) {
      await files.close(session, '/a')
      await files.open(session, '/a', true)
      await files.write(session, '/a', 0, random.bytes(length))
      await files.fsync(session, '/a')
      if (length === 1000) await names.checkpoint(session)
    }
  }),
)

test('O_TRUNC of a file with a large map starts a new one', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      const content = random.bytes(4200 * BLOCK)
      await files.createAtomic(session, '/big')
      await files.write(session, '/big', 0, content)
      await files.fsync(session, '/big')
      await files.close(session, '/big')
      await files.open(session, '/big', true)
      await files.write(session, '/big', 0, random.bytes(20 * BLOCK))
      await files.fsync(session, '/big')
      await names.reap(session)
      await files.write(session, '/big', 0, content.subarray(0, 100 * BLOCK))
      await files.fsync(session, '/big')
      await names.checkpoint(session)
    },
    { ringBlocks: 1024, momentCount: 20, randomCount: 1 },
  ),
)

test('fsync() publishes large writes whole, wherever they were staged', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      for (const [at, blocks] of [
        [0, 200],
        [50, 100],
        [10, 20],
        [150, 120],
      ] as const) {
        await files.write(session, '/a', at * BLOCK, random.bytes(blocks * BLOCK))
        await files.write(session, '/a', (at + 3) * BLOCK + 10, random.bytes(100))
        await files.fsync(session, '/a')
      }
      await files.truncate(session, '/a', 120 * BLOCK)
      await files.write(session, '/a', 100 * BLOCK, random.bytes(90 * BLOCK))
      await files.fsync(session, '/a')
      await names.checkpoint(session)
    },
    { momentCount: 60 },
  ),
)

test('several files are published together, whatever of them fits a record', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      const paths = ['/a', '/b', '/c']
      for (const path of paths) {
        await files.createAtomic(session, path)
        await files.write(session, path, 0, random.bytes(90 * BLOCK))
      }
      await files.commitTogether(session, paths)
      // Together more than a record, and than the largest commit.
      for (const count of [14, 40]) {
        for (const path of paths) {
          for (let i = 0; i < count; i++) {
            await files.write(session, path, random.int(90) * BLOCK + 9, random.bytes(50))
          }
        }
        await files.commitTogether(session, paths)
        if (count === 14) await names.checkpoint(session)
      }
      await files.scatter(session, '/b', SCATTERED_BLOCKS, random.bytes(SCATTERED_BLOCKS))
      await files.write(session, '/a', 5, random.bytes(5))
      await files.truncate(session, '/c', 3 * BLOCK + 1)
      await files.commitTogether(session, paths)
      await names.checkpoint(session)
    },
    { momentCount: 60 },
  ),
)

test('a rollback leaves nothing of what was staged', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.write(session, '/a', 0, random.bytes(10 * BLOCK))
    await files.fsync(session, '/a')
    await files.write(session, '/a', 0, random.bytes(100 * BLOCK))
    await files.truncate(session, '/a', 5 * BLOCK + 5)
    await files.rollback(session, '/a')
    await files.write(session, '/a', 3 * BLOCK, random.bytes(80 * BLOCK))
    await files.fsync(session, '/a')
    await names.checkpoint(session)
  }),
)

test('a publish that does not fit one record is whole or absent', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.truncate(session, '/a', SCATTERED_BLOCKS * BLOCK)
      await files.fsync(session, '/a')
      for (let round = 0; round < 2; round++) {
        await writeScattered(session, random)
        await files.fsync(session, '/a')
        assert.equal(mapGeneration(session, '/a'), round + 1, 'it was published by generation')
      }
      await files.truncate(session, '/a', 4000)
      await files.fsync(session, '/a')
      await names.checkpoint(session)
    },
    { momentCount: 10, randomCount: 1 },
  ),
)

test('fsync() of more than one record succeeds in a volume that is full', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.truncate(session, '/a', SCATTERED_BLOCKS * BLOCK)
      await writeScattered(session, random)
      await files.fsync(session, '/a')
      await names.checkpoint(session)
      await writeScattered(session, random)
      await files.fsync(session, '/a')
      assert.equal(mapGeneration(session, '/a'), 2, 'it was published by generation')
    },
    { momentCount: 4, randomCount: 1, blockCountMax: 2 * SCATTERED_BLOCKS - 4 },
  ),
)

/** Writes a file so that no two neighbours in it are neighbours on the disk. */
async function writeScattered(session: Session, random: Random): Promise<void> {
  const data = random.bytes(SCATTERED_BLOCKS * 16)
  for (let first = 0; first < 2; first++) {
    for (let block = first; block < SCATTERED_BLOCKS; block += 2) {
      const piece = data.subarray(block * 16, block * 16 + 16)
      await files.write(session, '/a', block * BLOCK + 9, piece)
    }
  }
}

function mapGeneration(session: Session, path: string): number {
  return session.engine.inodes.get(inoAt(session.oracle.live, path)).mapGeneration
}
