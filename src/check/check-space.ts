/** F22, F23: the allocation bitmap against what the maps have. */
import { type Bitmap, GROUP_BLOCKS } from '../store/bitmap.ts'
import type { VolumeView } from './volume-view.ts'

export function checkSpace(view: VolumeView, mapped: Bitmap): void {
  const groupCount = Math.ceil(Math.max(view.bitmap.bitCount, mapped.bitCount) / GROUP_BLOCKS)
  const differences = new Differences(view)
  for (let groupIndex = 0; groupIndex < groupCount; groupIndex++) {
    // One that cannot be read has its finding.
    if (view.unreadableGroups.has(groupIndex)) continue
    const said = view.bitmap.group(groupIndex)
    if (Buffer.compare(said, mapped.group(groupIndex)) === 0) continue
    differences.compareGroup(groupIndex, mapped)
  }
  differences.finish()
  checkFreeCount(view)
}

function checkFreeCount({ marker, storedMappedCount, unreadableGroups, sink }: VolumeView): void {
  if (marker === undefined || unreadableGroups.size > 0) return
  const expected = marker.blockCount - storedMappedCount
  if (marker.freeCount === expected) return
  sink('F23', 'error', `the marker counts ${marker.freeCount} free blocks, the bitmap ${expected}`)
}

type Difference = 'free' | 'used'

/** Joins blocks that differ in the same way to runs. */
class Differences {
  private readonly view: VolumeView
  private kind: Difference = 'free'
  private start = 0
  private end = 0

  constructor(view: VolumeView) {
    this.view = view
  }

  compareGroup(groupIndex: number, mapped: Bitmap): void {
    const first = groupIndex * GROUP_BLOCKS
    for (let block = first; block < first + GROUP_BLOCKS; block++) {
      const isSaid = this.view.bitmap.has(block)
      if (isSaid === mapped.has(block)) continue
      const kind = isSaid ? 'used' : 'free'
      if (kind !== this.kind || block !== this.end) {
        this.finish()
        this.kind = kind
        this.start = block
      }
      this.end = block + 1
    }
  }

  finish(): void {
    if (this.end === this.start) return
    const last = this.end - 1
    const blocks = last === this.start ? `block ${last} is` : `blocks ${this.start} to ${last} are`
    if (this.kind === 'free') {
      this.view.sink('F22', 'error', `${blocks} free in the bitmap, and mapped`)
    } else {
      this.view.sink('F22', 'warning', `${blocks} used in the bitmap, and not mapped`)
    }
    this.start = this.end
  }
}
