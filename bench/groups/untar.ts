/** Many small files unpacked by tar(1); nothing is synced. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inTurns } from '../rounds.ts'
import { compareTrees, makeTarball } from '../tarball.ts'
import { type Group, withSides } from './group.ts'

export const untar: Group = (context) =>
  withSides(context, async ({ worker, scale, folder, mounted, ours, below }) => {
    const tree = join(folder, 'tree')
    const archive = join(folder, 'tree.tar')
    mkdirSync(tree)
    try {
      makeTarball(tree, archive, scale.archivedCount)
      const unpackTo = (path: string) => async (): Promise<number> =>
        scale.archivedCount / (await worker.run('untar', { archive, folder: path }))
      const values = await inTurns(scale.roundCount, folder, {
        ours: unpackTo(ours('tree')),
        below: unpackTo(below('tree')),
      })
      await mounted.remount()
      compareTrees(tree, ours('tree'))
      compareTrees(tree, below('tree'))
      return [
        {
          name: `untar of ${scale.archivedCount.toLocaleString('en')} small files`,
          unit: 'files/s',
          ours: values.ours,
          other: { name: 'the disk below', values: values.below },
          judged: 'times',
          bounds: { must: 0.1, aim: 0.3 },
        },
      ]
    } finally {
      rmSync(tree, { recursive: true, force: true })
      rmSync(archive, { force: true })
    }
  })
