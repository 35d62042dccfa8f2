/** Many small files, and whole ones that are replaced. */
import type { Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { type Group, type Sides, showSize, withSides } from './group.ts'
import { measureSmallFiles } from './small-files.ts'

const KIB = 1024
const REPLACED_BYTES = [4 * KIB, 64 * KIB, 1024 * KIB, 16 * 1024 * KIB]

/** Replaces files: ours are opened with O_TRUNC, written and synced. */
export const replace: Group = (context) =>
  withSides(context, async (sides) => {
    const figures: Figure[] = []
    for (const sizeBytes of REPLACED_BYTES) figures.push(await measureReplace(sides, sizeBytes))
    await sides.mounted.remount()
    for (const sizeBytes of REPLACED_BYTES) {
      for (const side of [sides.ours, sides.below]) {
        await sides.worker.run('verify', { path: side(`file-${sizeBytes}`) })
      }
    }
    return figures
  })

async function measureReplace(sides: Sides, sizeBytes: number): Promise<Figure> {
  const { worker, scale, folder, ours, below } = sides
  const replaceAt = (path: string, method: 'truncate' | 'rename') => async (): Promise<number> => {
    const request = { path, method, sizeBytes, timeMs: scale.commitTimeMs }
    return (await worker.run('replaceFile', request)).perSecond
  }
  const turns = {
    ours: replaceAt(ours(`file-${sizeBytes}`), 'truncate'),
    below: replaceAt(below(`file-${sizeBytes}`), 'rename'),
  }
  await inTurns(1, folder, turns)
  const values = await inTurns(scale.roundCount, folder, turns)
  return {
    name: `replace of a whole ${showSize(sizeBytes)} file`,
    unit: 'commits/s',
    ours: values.ours,
    other: { name: 'write, fsync, rename', values: values.below },
    judged: 'times',
    bounds: { must: 0.8, aim: 1.5 },
  }
}

export const files: Group = (context) =>
  withSides(context, (sides) =>
    measureSmallFiles(sides, { name: 'the disk below', folder: sides.below('files'), bounds: {} }),
  )
