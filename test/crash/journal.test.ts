/**
 * Goal: the same for what the journal does behind a workload's back: checkpoints, a ring that goes
 * round, commits of several files at the same time, a volume that is nearly full.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expectFull } from './expect.ts'
import * as attributes from './attribute-steps.ts'
import * as files from './file-steps.ts'
import * as names from './name-steps.ts'
import type { Session } from './session.ts'
import { BLOCK, TIMEOUT, runWorkload } from './run-workload.ts'

test('commits survive while the ring goes round several times', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.createAtomic(session, '/b')
      for (let round = 0; round < 120; round++) {
        const path = random.pick(['/a', '/b'])
        for (let i = 0; i < 6; i++) {
          await files.write(session, path, random.int(40) * BLOCK, random.bytes(BLOCK))
        }
        if (random.oneIn(3)) await files.fsync(session, path)
        else {
          await files.close(session, path)
          await files.open(session, path)
        }
      }
      assert.ok(session.engine.journal.position > 3 * 256, 'the ring went round')
    },
    { momentCount: 150, randomCount: 1 },
  ),
)

test('commits during a checkpoint belong to the next one', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.createAtomic(session, '/b')
    await files.write(session, '/a', 0, random.bytes(20 * BLOCK))
    await files.write(session, '/b', 0, random.bytes(20 * BLOCK))
    await files.fsync(session, '/a', '/b')
    for (let round = 0; round < 3; round++) {
      const checkpoint = names.checkpoint(session)
      await files.write(session, '/a', round * BLOCK, random.bytes(5 * BLOCK))
      await files.fsync(session, '/a')
      await files.truncate(session, '/b', (15 - 5 * round) * BLOCK - 10)
      await files.fsync(session, '/b')
      await files.create(session, `/c${round}`)
      await checkpoint
    }
    await names.checkpoint(session)
  }),
)

test('concurrent fsync()s of two files are each whole or absent', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    await files.createAtomic(session, '/b')
    for (let round = 0; round < 4; round++) {
      await files.write(session, '/a', round * 3000, random.bytes(4 * BLOCK))
      await files.write(session, '/b', round * 500, random.bytes(round === 2 ? 100 * BLOCK : 7000))
      await files.fsync(session, '/a', '/b')
    }
    await names.checkpoint(session)
  }),
)

test('a publish that waits for room gets it when a checkpoint made too little', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.create(session, '/x')
      await files.write(session, '/a', 0, random.bytes(60 * BLOCK))
      await names.fsyncDirectory(session)
      const checkpoint = names.checkpoint(session)
      for (let value = 0; session.engine.hasRoom; value++) {
        await attributes.setXattr(session, '/x', Buffer.alloc(60_000, value))
      }
      assert.ok(!session.engine.journal.hasRoom(60), 'the publish has to wait')
      await files.fsync(session, '/a')
      await checkpoint
    },
    { ringBlocks: 1024, momentCount: 40, randomCount: 1 },
  ),
)

test('mkdir() during an fsync() survives a kill once it is answered', TIMEOUT, (t) =>
  runWorkload(t, async (session, random) => {
    await files.createAtomic(session, '/a')
    for (let round = 0; round < 4; round++) {
      await names.fsyncDirectory(session)
      await files.write(session, '/a', 0, random.bytes(8 * BLOCK))
      const makeDirectory = names.makeDirectoryAction(session, `/d${round}`)
      await session.oracle.step(files.fsyncAction(session, '/a'), {
        ...makeDirectory,
        run: async () => {
          await nextStart(session)
          await makeDirectory.run()
        },
      })
    }
  }),
)

/** Resolves when the device has begun a call. */
async function nextStart({ device }: Session): Promise<void> {
  const before = device.log.events.length
  while (!device.log.events.slice(before).some(({ type }) => type === 'start')) await nextTurn()
}

test('content survives the reuse of blocks in a volume that is nearly full', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.createAtomic(session, '/b')
      for (let round = 0; round < 20; round++) {
        const path = random.pick(['/a', '/b'])
        await files
          .write(session, path, random.int(20) * BLOCK, random.bytes(90 * BLOCK))
          .catch(expectFull)
        // What a commit frees during a checkpoint is not free at its end.
        if (random.oneIn(2)) session.engine.checkpointer.start()
        await files.fsync(session, path)
        if (random.oneIn(3)) await names.checkpoint(session)
      }
    },
    { momentCount: 100, randomCount: 1, blockCountMax: 400 },
  ),
)

test('content survives checkpoints that freed blocks call for', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      const { engine } = session
      engine.freedBlocksMax = 8
      await files.createAtomic(session, '/a')
      await files.createAtomic(session, '/b')
      for (let round = 0; round < 5; round++) {
        for (const path of ['/a', '/b']) {
          await files.write(session, path, 0, random.bytes((round + 8) * BLOCK))
          await files.fsync(session, path)
          await files.truncate(session, path, 1000)
          await files.fsync(session, path)
        }
      }
      assert.ok(engine.journal.live.checkpointSeq > 4, 'nobody else asked for a checkpoint')
    },
    // So large that it never fills up.
    { ringBlocks: 1024 },
  ),
)

test('ENOSPC from write() leaves what is published and what is staged', TIMEOUT, (t) =>
  runWorkload(
    t,
    async (session, random) => {
      await files.createAtomic(session, '/a')
      await files.write(session, '/a', 0, random.bytes(60 * BLOCK))
      await files.fsync(session, '/a')
      let fullCount = 0
      for (let round = 0; round < 40; round++) {
        const data = random.bytes((1 + random.int(30)) * 1000)
        await files.write(session, '/a', random.int(150) * 3000, data).catch((error: unknown) => {
          expectFull(error)
          fullCount++
        })
        if (random.oneIn(4)) await files.fsync(session, '/a')
      }
      assert.ok(fullCount > 0, 'the volume was full')
      await files.fsync(session, '/a')
      await names.checkpoint(session)
    },
    { momentCount: 60, blockCountMax: 100 },
  ),
)
