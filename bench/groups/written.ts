/** Bytes that reach the disk for each byte that a program writes, checkpoints included. */
import { PAGE_SIZE } from '../pages.ts'
import { type Group, type Sides, showSize, withSides } from './group.ts'

const PAGES = 16

export const written: Group = (context) =>
  withSides(context, async (sides) => {
    const { scale, worker } = sides
    const file = { path: sides.ours('file'), sizeBytes: scale.sequentialBytes }
    const commit = async (countMax: number): Promise<number> => {
      const request = { path: file.path, pageCount: PAGES, method: 'in place' } as const
      const { count } = await worker.run('commitPages', { ...request, timeMs: Infinity, countMax })
      return count * PAGES * PAGE_SIZE
    }
    await worker.run('writeAll', file)
    await commit(Math.ceil(scale.countedCommits / 4))
    const random = await amplification(sides, async () => commit(scale.countedCommits))
    const inOrder = await amplification(sides, async () => {
      await worker.run('writeAll', file)
      return file.sizeBytes
    })
    await sides.mounted.remount()
    await worker.run('verify', { path: file.path })
    const size = showSize(scale.sequentialBytes)
    const common = { unit: 'bytes/byte', judged: 'at most' } as const
    return [
      {
        ...common,
        name: `written to the disk, sequential rewrite of ${size}`,
        ours: [inOrder],
        bounds: { must: 1.1 },
      },
      {
        ...common,
        name: `written to the disk, commits of ${PAGES} random pages, ${size} file`,
        ours: [random],
        bounds: { must: 2.5 },
      },
    ]
  })

/** Runs work that returns how many bytes it wrote. */
async function amplification({ mounted }: Sides, work: () => Promise<number>): Promise<number> {
  const before = await mounted.settledWrittenBytes()
  const userBytes = await work()
  return ((await mounted.settledWrittenBytes()) - before) / userBytes
}
