/**
 * Goal: whatever programs do, in whatever order, the filesystem answers as a simple tree in memory
 * does, also after it ended in order or was killed. Method: random operations on both.
 */
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { Player } from './player.ts'
import { playStep } from './steps.ts'

const RUN_COUNT = Number(process.env['OATOMIC_RUNS'] ?? 20)
const STEP_COUNT = 700
const SHOWN_COUNT = 60

async function play(seed: number, stepCount: number): Promise<void> {
  const random = new Random(seed)
  const player = await Player.start(random, 256 + random.int(4) * 256)
  try {
    for (let i = 0; i < stepCount; i++) await playStep(player)
    await player.compareAll()
    await player.removeAll()
  } catch (error) {
    const shown = player.played.slice(-SHOWN_COUNT).join('\n  ')
    const why = error instanceof Error ? error.stack : String(error)
    throw new Error(`OATOMIC_SEED=${seed} failed after\n  ${shown}\n${why}`, { cause: error })
  }
}

test('random operations are answered as by a tree in memory', { timeout: 60_000 }, async (t) => {
  const random = new Random(testSeed())
  t.diagnostic(`seed ${random.seed}`)
  if (process.env['OATOMIC_SEED'] !== undefined) await play(random.seed, STEP_COUNT)
  for (let run = 0; run < RUN_COUNT; run++) await play(random.next(), STEP_COUNT)
})
