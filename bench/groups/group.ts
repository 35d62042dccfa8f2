/** What every group of figures is given, and how it gets and gives up a mount. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Figure } from '../figures.ts'
import { Mounted } from '../mounted.ts'
import type { Scale } from '../scale.ts'
import { Worker } from '../worker-client.ts'

export interface GroupContext {
  readonly scale: Scale
  /** A folder on the disk below, for this group alone. */
  readonly folder: string
}

export type Group = (context: GroupContext) => Promise<Figure[]>

export interface Sides {
  readonly scale: Scale
  readonly folder: string
  readonly worker: Worker
  readonly mounted: Mounted
  /** A path on our mount. */
  readonly ours: (name: string) => string
  /** A path on the disk below. */
  readonly below: (name: string) => string
}

/** Measures on a new volume and on the disk below it, and takes both away. */
export async function withSides(
  { scale, folder }: GroupContext,
  measure: (sides: Sides) => Promise<Figure[]>,
): Promise<Figure[]> {
  const below = join(folder, 'below')
  mkdirSync(below)
  const mounted = await Mounted.make(join(folder, 'volume'), join(folder, 'mount'))
  const worker = new Worker()
  try {
    const figures = await measure({
      scale,
      folder,
      worker,
      mounted,
      ours: (name) => join(mounted.path, name),
      below: (name) => join(below, name),
    })
    worker.kill()
    await mounted.stop()
    return figures
  } finally {
    worker.kill()
    await mounted.abort()
    rmSync(join(folder, 'volume'), { recursive: true, force: true })
    rmSync(below, { recursive: true, force: true })
  }
}

/** "4 KiB", "64 MiB", "1 GiB". */
export function showSize(sizeBytes: number): string {
  if (sizeBytes < 2 ** 20) return `${sizeBytes / 2 ** 10} KiB`
  const mebibytes = sizeBytes / 2 ** 20
  return mebibytes >= 1024 ? `${mebibytes / 1024} GiB` : `${mebibytes} MiB`
}
