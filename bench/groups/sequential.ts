/** A large new file, written in large or small calls and synced, and read again from the cache. */
import { join } from 'node:path'
import type { Figure } from '../figures.ts'
import { inTurns } from '../rounds.ts'
import { mountSinglePages } from '../single-pages.ts'
import { type Group, type Sides, showSize, withSides } from './group.ts'

const MIB = 2 ** 20
const SMALL_CALL_BYTES = 4096

export const sequential: Group = (context) =>
  withSides(context, async (sides) => {
    const { scale, folder } = sides
    const reads = { ours: new Array<number>(), below: new Array<number>() }
    const writeAndRead = (side: 'ours' | 'below') => async (): Promise<number> => {
      const written = await writeNew(sides, side)
      const read = await sides.worker.run('readHot', { path: sides[side]('file') })
      reads[side].push(read / MIB)
      return written
    }
    const writes = await inTurns(scale.roundCount, folder, {
      ours: writeAndRead('ours'),
      below: writeAndRead('below'),
    })
    const small = await inTurns(scale.roundCount, folder, {
      ours: async () => writeNew(sides, 'ours', SMALL_CALL_BYTES),
      below: async () => writeNew(sides, 'below', SMALL_CALL_BYTES),
    })
    await sides.mounted.remount()
    await sides.worker.run('verify', { path: sides.ours('file') })
    const size = showSize(scale.sequentialBytes)
    const common = { unit: 'MiB/s', judged: 'times' } as const
    return [
      {
        ...common,
        name: `sequential write of ${size} in 1 MiB calls, fsync`,
        ours: writes.ours,
        other: { name: 'the disk below', values: writes.below },
        bounds: { must: 0.5, aim: 0.9 },
      },
      {
        ...common,
        name: `sequential write of ${size} in ${showSize(SMALL_CALL_BYTES)} calls, fsync`,
        ours: small.ours,
        other: { name: 'the disk below', values: small.below },
        bounds: { must: 0.5, aim: 0.9 },
      },
      {
        ...common,
        name: `hot read of ${size} in 1 MiB calls`,
        ours: reads.ours,
        other: { name: 'the disk below', values: reads.below },
        bounds: { must: 0.6, aim: 1 },
      },
      ...(await singlePages(sides, reads.ours)),
    ]
  })

/** The same reads of a tmpfs, right after. */
async function singlePages(
  { worker, scale, folder }: Sides,
  ours: readonly number[],
): Promise<Figure[]> {
  const mounted = mountSinglePages(join(folder, 'single-pages'), scale.sequentialBytes)
  if (mounted === undefined) return []
  try {
    const path = join(mounted.path, 'file')
    await worker.run('writeAll', { path, sizeBytes: scale.sequentialBytes })
    const values: number[] = []
    for (const _ of ours) values.push((await worker.run('readHot', { path })) / MIB)
    await worker.run('remove', { path })
    const name = `hot read of ${showSize(scale.sequentialBytes)} in 1 MiB calls`
    const other = { name: 'tmpfs with huge=never', values }
    return [{ name, unit: 'MiB/s', ours, other, judged: 'times', bounds: {} }]
  } finally {
    mounted.stop()
  }
}

/** Writes a file that is not there any more; returns MiB/s. */
async function writeNew(
  { worker, scale, ...sides }: Sides,
  side: 'ours' | 'below',
  callBytes?: number,
): Promise<number> {
  const path = sides[side]('file')
  await worker.run('remove', { path })
  const request = { path, sizeBytes: scale.sequentialBytes }
  const calls = callBytes === undefined ? {} : { callBytes }
  return (await worker.run('writeAll', { ...request, ...calls })) / MIB
}
