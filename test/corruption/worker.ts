/**
 * Judges cases in a process of its own, so that one that LevelDB ends, or that hangs, is seen:
 *
 *   node worker.js FOLDER SEED
 *
 * takes a case a message, and answers with the verdict.
 */
import { join } from 'node:path'
import { Random } from '../support/random.ts'
import { factsOf } from './facts.ts'
import { type Case, type Verdict, judge } from './judge.ts'
import { buildWorld, folderOf } from './world.ts'

export interface Answer {
  readonly verdict?: Verdict
  readonly failure?: string
  readonly ready?: true
}

const [, , folder = '', seed = '0'] = process.argv
const world = await buildWorld(folder, new Random(Number(seed)))
const facts = {
  late: await factsOf(folderOf(world, 'late')),
  killed: await factsOf(folderOf(world, 'killed')),
}
const tell = (answer: Answer): void => {
  process.send?.(answer)
}

process.on('message', (wanted: Case) => {
  judge(world, facts[wanted.state], wanted, join(folder, 'scratch')).then(
    (verdict) => {
      tell({ verdict })
    },
    (error: unknown) => {
      tell({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    },
  )
})
process.on('disconnect', () => process.exit(0))
tell({ ready: true })
