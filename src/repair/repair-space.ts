/** The allocation bitmap and the marker, as the maps and inodes are now. */
import type { BlockNo } from '../device/device.ts'
import { Bitmap, GROUP_BLOCKS } from '../store/bitmap.ts'
import { MARKER_KEY, bitmapKey, isWellFormed } from '../store/keys.ts'
import { LEAF_BLOCKS, type Leaf, decodeLeaf } from '../store/leaf.ts'
import { type Marker, encodeMarker } from '../store/marker.ts'
import type { RepairPlan } from './plan.ts'
import { repairShares } from './repair-shares.ts'
import type { SalvagedRing } from './salvage-ring.ts'

/** Requires: all leaves are as they will be, and what is new fits the block file. */
export async function repairSpace(plan: RepairPlan, ring: SalvagedRing): Promise<void> {
  const { device, marker } = plan.view
  const blockCount = Math.max(plan.blockCount, device.blocks.blockCount)
  const { before, mapped, extra } = await mappedBlocks(plan, blockCount)
  await repairShares(plan, extra)
  // Not if it was right, and only what was pending is freed.
  if (differs(plan, before)) plan.report.mend('the allocation bitmap')
  putGroups(plan, mapped)
  if (marker === undefined) plan.report.mend('the marker of the last checkpoint')
  else reportCounts(plan, marker)
  const { commitSeq, position, nextEpoch } = ring
  const counts = { blockCount, freeCount: blockCount - mapped.setCount, nextIno: plan.nextIno }
  const at = { commitSeq, ringPosition: position, epoch: nextEpoch, clean: true }
  plan.put(MARKER_KEY, encodeMarker({ ...at, ...counts }))
}

function reportCounts(plan: RepairPlan, marker: Marker): void {
  const { view, report } = plan
  const isRead = view.unreadableGroups.size === 0
  if (isRead && marker.freeCount !== marker.blockCount - view.storedMappedCount) {
    report.mend('the number of free blocks')
  }
  if (view.device.blocks.blockCount < marker.blockCount) {
    report.mend('the size of the block file, of which a part was cut off')
  }
  if (plan.nextIno > view.nextIno) report.mend('the next inode number')
}

/** What all maps have had, and what they will have. */
async function mappedBlocks(
  plan: RepairPlan,
  blockCount: number,
): Promise<{ before: Bitmap; mapped: Bitmap; extra: Map<BlockNo, number> }> {
  const before = new Bitmap(blockCount)
  const mapped = new Bitmap(blockCount)
  const extra = new Map<BlockNo, number>()
  const keys = new Set(plan.changedKeys('E'))
  for await (const { key, body } of plan.view.entries('E')) {
    if (!isWellFormed(key)) continue
    setAll(before, plan.view.decode(key, body, decodeLeaf))
    keys.add(key)
  }
  for (const key of keys) {
    setAll(mapped, plan.view.decode(key, plan.get(key), decodeLeaf), extra)
  }
  return { before, mapped, extra }
}

/** `extra` counts how often a block is mapped beyond the first time. */
function setAll(bitmap: Bitmap, leaf: Leaf | undefined, extra?: Map<BlockNo, number>): void {
  if (leaf === undefined) return
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (block === 0 || block >= bitmap.bitCount) continue
    if (bitmap.has(block)) extra?.set(block, (extra.get(block) ?? 0) + 1)
    bitmap.set(block)
  }
}

function groupCountOf(plan: RepairPlan, mapped: Bitmap): number {
  return Math.ceil(Math.max(plan.view.bitmap.bitCount, mapped.bitCount) / GROUP_BLOCKS)
}

function differs(plan: RepairPlan, before: Bitmap): boolean {
  if (plan.view.unreadableGroups.size > 0) return true
  for (let groupIndex = 0; groupIndex < groupCountOf(plan, before); groupIndex++) {
    const said = plan.view.bitmap.group(groupIndex)
    if (Buffer.compare(said, before.group(groupIndex)) !== 0) return true
  }
  return false
}

function putGroups(plan: RepairPlan, mapped: Bitmap): void {
  const groupCount = groupCountOf(plan, mapped)
  for (let groupIndex = 0; groupIndex < groupCount; groupIndex++) {
    plan.put(bitmapKey(groupIndex), mapped.group(groupIndex))
  }
  for (const groupIndex of plan.view.unreadableGroups) {
    if (groupIndex >= groupCount) plan.del(bitmapKey(groupIndex))
  }
}
