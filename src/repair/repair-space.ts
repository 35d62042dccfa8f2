/** The allocation bitmap and the marker, as the maps and inodes are now. */
import { Bitmap, GROUP_BLOCKS } from '../store/bitmap.ts'
import { isWellFormed } from '../store/describe-key.ts'
import { MARKER_KEY, bitmapKey } from '../store/keys.ts'
import { LEAF_BLOCKS, decodeLeaf } from '../store/leaf.ts'
import { encodeMarker } from '../store/marker.ts'
import type { RepairPlan } from './plan.ts'
import type { SalvagedRing } from './salvage-ring.ts'

/** Requires: all leaves are as they will be, and what is new fits the block file. */
export async function repairSpace(plan: RepairPlan, ring: SalvagedRing): Promise<void> {
  const { device, marker } = plan.view
  const blockCount = Math.max(plan.blockCount, device.blocks.blockCount)
  const mapped = await mappedBlocks(plan, blockCount)
  const differs = putGroups(plan, mapped)
  if (differs) plan.report.mend('the allocation bitmap')
  if (marker === undefined) plan.report.mend('the marker of the last checkpoint')
  const { commitSeq, position, nextEpoch } = ring
  const counts = { blockCount, freeCount: blockCount - mapped.setCount, nextIno: plan.nextIno }
  const at = { commitSeq, ringPosition: position, epoch: nextEpoch, clean: true }
  plan.put(MARKER_KEY, encodeMarker({ ...at, ...counts }))
}

async function mappedBlocks(plan: RepairPlan, blockCount: number): Promise<Bitmap> {
  const mapped = new Bitmap(blockCount)
  const keys = new Set<string>()
  for await (const { key } of plan.view.entries('E')) if (isWellFormed(key)) keys.add(key)
  for (const key of plan.changedKeys('E')) keys.add(key)
  for (const key of keys) {
    const leaf = plan.view.decode(key, plan.get(key), decodeLeaf)
    for (let slot = 0; leaf !== undefined && slot < LEAF_BLOCKS; slot++) {
      if (leaf.block(slot) !== 0) mapped.set(leaf.block(slot))
    }
  }
  return mapped
}

/** Returns whether any was wrong. */
function putGroups(plan: RepairPlan, mapped: Bitmap): boolean {
  const { bitmap, unreadableGroups } = plan.view
  const groupCount = Math.ceil(Math.max(bitmap.bitCount, mapped.bitCount) / GROUP_BLOCKS)
  let differs = unreadableGroups.size > 0
  for (let groupIndex = 0; groupIndex < groupCount; groupIndex++) {
    const group = mapped.group(groupIndex)
    if (Buffer.compare(bitmap.group(groupIndex), group) !== 0) differs = true
    plan.put(bitmapKey(groupIndex), group)
  }
  for (const groupIndex of unreadableGroups) {
    if (groupIndex >= groupCount) plan.del(bitmapKey(groupIndex))
  }
  return differs
}
