/** A large file that is read when nothing of it is in memory, neither of the kernel nor of the daemon. */
import { canDropCaches } from '../drop-caches.ts'
import { inTurns } from '../rounds.ts'
import { type Group, showSize, withSides } from './group.ts'

export const cold: Group = async (context) => {
  if (!canDropCaches()) return []
  return withSides(context, async ({ worker, scale, folder, mounted, ours, below }) => {
    const { sequentialBytes: sizeBytes } = scale
    const paths = { ours: ours('file'), below: below('file') }
    for (const path of Object.values(paths)) await worker.run('writeAll', { path, sizeBytes })
    const values = await inTurns(scale.roundCount, folder, {
      ours: async () => {
        await mounted.remount()
        return (await worker.run('readCold', { path: paths.ours })) / 2 ** 20
      },
      below: async () => (await worker.run('readCold', { path: paths.below })) / 2 ** 20,
    })
    for (const path of Object.values(paths)) await worker.run('verify', { path })
    return [
      {
        name: `cold read of ${showSize(sizeBytes)} in 1 MiB calls, after a mount`,
        unit: 'MiB/s',
        ours: values.ours,
        other: { name: 'the disk below', values: values.below },
        judged: 'times',
        bounds: { must: 0.7, aim: 0.95 },
      },
    ]
  })
}
