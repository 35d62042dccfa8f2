/** A large new file, written in 1 MiB calls and synced, and read again from the cache. */
import { inTurns } from '../rounds.ts'
import { type Group, showSize, withSides } from './group.ts'

const MIB = 2 ** 20

export const sequential: Group = (context) =>
  withSides(context, async (sides) => {
    const { scale } = sides
    const paths = { ours: sides.ours('file'), below: sides.below('file') }
    const reads = { ours: new Array<number>(), below: new Array<number>() }
    const writeAndRead = (side: 'ours' | 'below') => async (): Promise<number> => {
      if (reads[side].length > 0) await sides.worker.run('remove', { path: paths[side] })
      const written = await sides.worker.run('writeAll', {
        path: paths[side],
        sizeBytes: scale.sequentialBytes,
      })
      const read = await sides.worker.run('readHot', { path: paths[side] })
      reads[side].push(read / MIB)
      return written / MIB
    }
    const writes = await inTurns(scale.roundCount, sides.folder, {
      ours: writeAndRead('ours'),
      below: writeAndRead('below'),
    })
    await sides.mounted.remount()
    await sides.worker.run('verify', { path: paths.ours })
    const size = showSize(scale.sequentialBytes)
    const common = { unit: 'MiB/s', judged: 'times' } as const
    return [
      {
        ...common,
        name: `sequential write of ${size} in 1 MiB calls, fsync`,
        ours: writes.ours,
        other: { name: 'the disk below', values: writes.below },
        bounds: { must: 0.4, aim: 0.9 },
      },
      {
        ...common,
        name: `hot read of ${size} in 1 MiB calls`,
        ours: reads.ours,
        other: { name: 'the disk below', values: reads.below },
        bounds: { must: 0.6, aim: 1 },
      },
    ]
  })
