/** One folder with very many entries: all must stay quick, and the daemon small. */
import type { Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { SCALES } from '../scale.ts'
import { type Group, type Sides, withSides } from './group.ts'

const MIB = 2 ** 20
/** A job must be over in a few minutes. */
const JOB_FILES = 100_000
/** A folder to compare with, whose names are all looked up in a round. */
const FEW = 1000

const disk = (values: readonly number[]) => ({ name: 'the disk below', values })

export const folders: Group = (context) =>
  withSides(context, async (sides) => {
    const { scale, ours, below, mounted } = sides
    const count = scale.entryCount
    const many = count.toLocaleString('en')
    const boundsOf = (bounds: Figure['bounds']): Figure['bounds'] =>
      count === SCALES.full.entryCount ? bounds : {}
    const made = {
      ours: await chunks(sides, 'makeEmptyFiles', ours('many')),
      below: await chunks(sides, 'makeEmptyFiles', below('many')),
    }
    const memory = mounted.memoryBytes('RssAnon') / MIB
    const lookups = await compareLookups(sides, count)
    const listings = await list(sides)
    const removed = {
      ours: await chunks(sides, 'removeEmptyFiles', ours('many')),
      below: await chunks(sides, 'removeEmptyFiles', below('many')),
    }
    const common = { judged: 'at most' } as const
    return [
      {
        ...common,
        name: `create of each of ${many} empty files in one folder`,
        unit: 'µs',
        ours: made.ours,
        other: disk(made.below),
        bounds: boundsOf({ must: 500 }),
      },
      {
        ...common,
        name: `memory of the daemon when the kernel knows all of them`,
        unit: 'MiB',
        ours: [memory],
        bounds: boundsOf({ must: 350 }),
      },
      {
        name: `lookup in a folder of ${many}, nothing cached`,
        unit: 'names/s',
        ours: lookups.many,
        other: { name: `in one of ${FEW.toLocaleString('en')}`, values: lookups.few },
        judged: 'times',
        bounds: boundsOf({ must: 0.5, aim: 0.8 }),
      },
      ...listings.map(({ name, values, other, must }): Figure => ({
        ...common,
        name: `${name} of the folder of ${many}`,
        unit: 's',
        ours: values,
        other: disk(other),
        bounds: boundsOf(must === undefined ? {} : { must }),
      })),
      {
        ...common,
        name: `unlink of each of ${many} files in one folder`,
        unit: 'µs',
        ours: removed.ours,
        other: disk(removed.below),
        bounds: {},
      },
    ]
  })

/** Does a job for all files, in pieces; returns the microseconds that a file took in each. */
async function chunks(
  { worker, scale }: Sides,
  job: 'makeEmptyFiles' | 'removeEmptyFiles',
  folder: string,
): Promise<number[]> {
  const times: number[] = []
  for (let from = 0; from < scale.entryCount; from += JOB_FILES) {
    const to = Math.min(scale.entryCount, from + JOB_FILES)
    times.push(await worker.run(job, { folder, from, to }))
  }
  return times
}

/** In turns, and after a fresh mount each time, so that each lookup is a request. */
async function compareLookups(sides: Sides, fileCount: number) {
  const { worker, scale, folder, ours, mounted } = sides
  for (const name of ['few', 'others']) {
    await worker.run('makeEmptyFiles', { folder: ours(name), from: 0, to: FEW })
  }
  const lookUp = (name: string, of: number) =>
    worker.run('lookUpFiles', { folder: ours(name), fileCount: of, count: FEW })
  const fresh = (name: string, of: number) => async (): Promise<number> => {
    await mounted.remount()
    // What has just been started is slow at first.
    await lookUp('others', FEW)
    return lookUp(name, of)
  }
  return inTurns(scale.roundCount, folder, {
    many: fresh('many', fileCount),
    few: fresh('few', FEW),
  })
}

/** Each listing twice: after a fresh mount, and again. */
async function list({ worker, scale, folder, ours, below, mounted }: Sides) {
  const ls = (path: string, options: readonly string[]) => async (): Promise<number> =>
    worker.run('listFolder', { folder: path, options })
  const listings = []
  for (const { options, must, rounds } of [
    { options: ['-U'], must: 5, rounds: scale.roundCount },
    { options: ['-l'], must: undefined, rounds: 1 },
  ]) {
    const cold = async (): Promise<number> => {
      await mounted.remount()
      return ls(ours('many'), options)()
    }
    const values = await inTurns(rounds, folder, {
      cold,
      warm: ls(ours('many'), options),
      other: ls(below('many'), options),
    })
    const name = `ls ${options.join(' ')}`
    const { other } = values
    listings.push({ name: `${name} after a mount`, values: values.cold, other, must })
    listings.push({ name: `${name} again`, values: values.warm, other, must })
  }
  return listings
}
