/** What is known of an undamaged state: which blocks matter, and whose they are. */
import { openForReading } from '../../src/check/check-path.ts'
import { InodeTable } from '../../src/check/inode-table.ts'
import { checkInodes } from '../../src/check/check-inodes.ts'
import { leavesOf } from '../../src/check/check-maps.ts'
import { checkNames } from '../../src/check/check-names.ts'
import { findPaths } from '../../src/check/paths.ts'
import { VolumeView } from '../../src/check/volume-view.ts'
import { LEAF_BLOCKS } from '../../src/store/leaf.ts'

export interface StateFacts {
  readonly usedBlocks: readonly number[]
  readonly liveRing: readonly number[]
  /** Whose content a block of data is. */
  readonly owners: ReadonlyMap<number, { readonly path: string; readonly offset: number }>
}

export async function factsOf(path: string): Promise<StateFacts> {
  const device = await openForReading(path)
  try {
    const view = await VolumeView.open(device, path, () => undefined)
    const table = new InodeTable()
    await checkInodes(view, table)
    await checkNames(view, table)
    const places: { block: number; ino: number; offset: number }[] = []
    for await (const { leaf, ino, leafIndex } of leavesOf(view, table)) {
      for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
        const block = leaf.block(slot)
        if (block === 0 || view.page(block) !== undefined) continue
        places.push({ block, ino, offset: (leafIndex * LEAF_BLOCKS + slot) * 4096 })
      }
    }
    const paths = await findPaths(view, table, new Set(places.map(({ ino }) => ino)))
    const owners = new Map(
      places.flatMap(({ block, ino, offset }) => {
        const owner = paths.get(ino)
        return owner === undefined ? [] : [[block, { path: owner, offset }] as const]
      }),
    )
    return { usedBlocks: [...owners.keys()], liveRing: liveRingOf(view), owners }
  } finally {
    await device.close()
  }
}

function liveRingOf({ marker, replayed, device }: VolumeView): number[] {
  const blocks: number[] = []
  const end = replayed?.position ?? 0
  for (let position = marker?.ringPosition ?? end; position < end; position++) {
    blocks.push(position % device.ring.blockCount)
  }
  return blocks
}
