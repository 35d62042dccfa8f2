/** Many small files made, looked at, renamed and removed, on our mount and elsewhere. */
import type { Bounds, Figure } from '../figures.ts'
import type { FileRates } from '../jobs.ts'
import { inTurns } from '../rounds.ts'
import type { Sides } from './group.ts'

const STEPS = ['create', 'stat', 'rename', 'unlink'] as const

export interface Elsewhere {
  readonly name: string
  /** A folder that is not there yet. */
  readonly folder: string
  readonly bounds: Bounds
}

export async function measureSmallFiles(
  { worker, scale: { fileCount, roundCount }, folder, ours }: Sides,
  elsewhere: Elsewhere,
): Promise<Figure[]> {
  const rates = { ours: new Array<FileRates>(), other: new Array<FileRates>() }
  const handle = (side: 'ours' | 'other', path: string) => async (): Promise<number> =>
    rates[side].push(await worker.run('handleFiles', { folder: path, fileCount }))
  await inTurns(roundCount, folder, {
    ours: handle('ours', ours('files')),
    other: handle('other', elsewhere.folder),
  })
  return STEPS.map((step): Figure => ({
    name: `${step} ${fileCount.toLocaleString('en')} files of 4 KiB`,
    unit: 'files/s',
    ours: rates.ours.map((rate) => rate[step]),
    other: { name: elsewhere.name, values: rates.other.map((rate) => rate[step]) },
    judged: 'times',
    bounds: elsewhere.bounds,
  }))
}
