/**
 * Goal: whatever handles of one isolated file do, in whatever order, each sees what it should, publishes
 * that can be merged are merged to the byte, the others are refused and lose nothing, and all space
 * comes back. Method: random operations on the filesystem and on a list of whole contents.
 */
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { Player } from './player.ts'

const RUN_COUNT = Number(process.env['OATOMIC_RUNS'] ?? 15)
const STEP_COUNT = 250
const SHOWN_COUNT = 50

async function play(seed: number): Promise<void> {
  const player = await Player.start(new Random(seed))
  try {
    for (let i = 0; i < STEP_COUNT; i++) await player.step()
    await player.end()
  } catch (error) {
    const shown = player.played.slice(-SHOWN_COUNT).join('\n  ')
    const why = error instanceof Error ? error.stack : String(error)
    throw new Error(`OATOMIC_SEED=${seed} failed after\n  ${shown}\n${why}`, { cause: error })
  }
}

test(
  'handles of an isolated file see, merge and refuse as they should',
  { timeout: 60_000 },
  async (t) => {
    const random = new Random(testSeed())
    t.diagnostic(`seed ${random.seed}`)
    if (process.env['OATOMIC_SEED'] !== undefined) await play(random.seed)
    for (let run = 0; run < RUN_COUNT; run++) await play(random.next())
  },
)
