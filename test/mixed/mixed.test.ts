/**
 * Goal: whatever processes do to the same files in all ways at once, while the files change from one kind to
 * another, each call is answered, each handle sees, and each crash leaves what docs/semantics.md says.
 * Method: random steps on the filesystem and on a model of that text; what fails is made short.
 */
import { test } from 'node:test'
import { Random, testSeed } from '../support/random.ts'
import { shrinkList } from '../support/shrink-list.ts'
import { Player } from './player.ts'
import { type Step, randomSteps } from './steps.ts'

const SECONDS = Number(process.env['OATOMIC_MIXED_SECONDS'] ?? 8)
const STEP_COUNT = 400
const SHRINK_MS = 30_000

interface Failure {
  readonly why: string
  readonly played: readonly string[]
}

async function play(steps: readonly Step[]): Promise<Failure | undefined> {
  const player = await Player.start()
  try {
    for (const step of steps) await player.step(step)
    await player.end()
    return undefined
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { why, played: player.world.played }
  }
}

/** What two failures of the same kind have in common. */
function kindOf({ why }: Failure): string {
  return (why.split('\n')[0] ?? '').replaceAll(/\d+/g, 'N')
}

async function judge(seed: number): Promise<void> {
  const steps = randomSteps(new Random(seed), STEP_COUNT)
  const failure = await play(steps)
  if (failure === undefined) return
  const kind = kindOf(failure)
  const shortest = await shrinkList(
    steps,
    async (fewer) => {
      const other = await play(fewer)
      return other !== undefined && kindOf(other) === kind
    },
    SHRINK_MS,
  )
  const { why, played } = (await play(shortest)) ?? failure
  throw new Error(`OATOMIC_SEED=${seed} failed after\n  ${played.join('\n  ')}\n${why}`)
}

test(
  'files of all kinds are to all processes what the text says',
  { timeout: (SECONDS + 100) * 1000 },
  async (t) => {
    const random = new Random(testSeed())
    t.diagnostic(`seed ${random.seed}`)
    const end = performance.now() + SECONDS * 1000
    if (process.env['OATOMIC_SEED'] !== undefined) await judge(random.seed)
    let runs = 0
    for (; performance.now() < end; runs++) await judge(random.next())
    t.diagnostic(`${runs} runs of ${STEP_COUNT} steps`)
  },
)
