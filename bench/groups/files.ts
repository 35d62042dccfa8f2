/** Many small files, and one that is replaced as a whole. */
import type { Figure } from '../figures.ts'
import type { FileRates } from '../jobs.ts'
import { inTurns } from '../rounds.ts'
import { type Group, withSides } from './group.ts'

const REPLACED_BYTES = 64 * 1024

/** Replaces a file: ours is opened with O_TRUNC, written and synced. */
export const replace: Group = (context) =>
  withSides(context, async ({ worker, scale, folder, mounted, ours, below }) => {
    const replaceAt =
      (path: string, method: 'truncate' | 'rename') => async (): Promise<number> => {
        const request = { path, method, sizeBytes: REPLACED_BYTES, timeMs: scale.commitTimeMs }
        return (await worker.run('replaceFile', request)).perSecond
      }
    const turns = {
      ours: replaceAt(ours('file'), 'truncate'),
      below: replaceAt(below('file'), 'rename'),
    }
    await inTurns(1, folder, turns)
    const values = await inTurns(scale.roundCount, folder, turns)
    await mounted.remount()
    await worker.run('verify', { path: ours('file') })
    await worker.run('verify', { path: below('file') })
    return [
      {
        name: 'replace of a whole 64 KiB file',
        unit: 'commits/s',
        ours: values.ours,
        other: { name: 'write, fsync, rename', values: values.below },
        judged: 'times',
        bounds: {},
      },
    ]
  })

const STEPS = ['create', 'stat', 'unlink'] as const

export const files: Group = (context) =>
  withSides(context, async ({ worker, scale, folder, ours, below }) => {
    const { fileCount, roundCount } = scale
    const rates = { ours: new Array<FileRates>(), below: new Array<FileRates>() }
    const handle = (side: 'ours' | 'below', path: string) => async (): Promise<number> =>
      rates[side].push(await worker.run('handleFiles', { folder: path, fileCount }))
    await inTurns(roundCount, folder, {
      ours: handle('ours', ours('files')),
      below: handle('below', below('files')),
    })
    return STEPS.map((step): Figure => ({
      name: `${step} ${fileCount.toLocaleString('en')} files of 4 KiB`,
      unit: 'files/s',
      ours: rates.ours.map((rate) => rate[step]),
      other: { name: 'the disk below', values: rates.below.map((rate) => rate[step]) },
      judged: 'times',
      bounds: {},
    }))
  })
