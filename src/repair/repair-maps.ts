/**
 * Extent maps. What cannot be right in a map becomes a page that reads as an error: a hole there
 * would read as zeros, which nobody has written.
 *
 * A block that two files have is kept by all whose checksum it fits, and counted so. Where it fits
 * none, and all say the same of it, it is a shared block that is damaged, and reads as an error in
 * each. Leaves of generations that are not a file's own are dropped.
 */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { type Inode, isFile } from '../store/inode.ts'
import { isWellFormed, pendingMapKey, u32FromKey, u64FromKey } from '../store/keys.ts'
import { LEAF_BLOCKS, Leaf, decodeLeaf } from '../store/leaf.ts'
import { repairHoles } from './repair-holes.ts'
import type { RepairPlan, Slot } from './plan.ts'

/** A leaf of a file's own generation. */
interface OwnLeaf {
  readonly key: string
  readonly inode: Inode
  readonly leafIndex: number
  /** Undefined where it is damaged. */
  readonly leaf: Leaf | undefined
}

export async function repairMaps(plan: RepairPlan): Promise<void> {
  const doubles = await claimBlocks(plan)
  const mapped = new Map<Inode, number>()
  for await (const own of ownLeaves(plan, true)) {
    const count = repairLeaf(plan, own, doubles)
    mapped.set(own.inode, (mapped.get(own.inode) ?? 0) + count)
  }
  for (const inode of plan.inodes.values()) {
    if (isFile(inode)) await repairHoles(plan, inode, mapped.get(inode) ?? 0)
  }
}

async function* ownLeaves(plan: RepairPlan, dropsOthers: boolean): AsyncGenerator<OwnLeaf, void> {
  const { view } = plan
  for await (const { key, body } of view.entries('E')) {
    if (!isWellFormed(key)) continue
    const inode = plan.inodes.get(u64FromKey(key, 1))
    if (inode === undefined || !isFile(inode) || inode.mapGeneration !== u32FromKey(key, 9)) {
      if (dropsOthers) dropLeaf(plan, key)
      continue
    }
    const leaf = view.decode(key, body, decodeLeaf)
    yield { key, inode, leafIndex: u32FromKey(key, 13), leaf }
  }
}

/** One that is pending is dropped without a word, as a mount would do. */
function dropLeaf(plan: RepairPlan, key: string): void {
  const ino = u64FromKey(key, 1)
  const generation = u32FromKey(key, 9)
  plan.del(key)
  if (plan.view.get(pendingMapKey(ino, generation)) !== undefined) return
  plan.report.mend(`inode ${ino}: a part of generation ${generation}, which it does not have`)
}

/** Blocks that several have, with the checksum on which all agree, if they do. */
type Doubles = ReadonlyMap<BlockNo, number | undefined>

/** Establishes: `claimed` has all that any map has. */
async function claimBlocks(plan: RepairPlan): Promise<Doubles> {
  const doubles = new Map<BlockNo, number | undefined>()
  for await (const [block, checksum] of ownBlocks(plan)) {
    if (plan.claimed.has(block)) doubles.set(block, checksum)
    plan.claimed.set(block)
  }
  if (doubles.size === 0) return doubles
  for await (const [block, checksum] of ownBlocks(plan)) {
    if (doubles.has(block) && doubles.get(block) !== checksum) doubles.set(block, undefined)
  }
  return doubles
}

/** Blocks of the block file that leaves map, with their checksums. */
async function* ownBlocks(plan: RepairPlan): AsyncGenerator<readonly [BlockNo, number], void> {
  for await (const { leaf } of ownLeaves(plan, false)) {
    if (leaf === undefined) continue
    for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
      const block = leaf.block(slot)
      if (block !== 0 && block < plan.claimed.bitCount) yield [block, leaf.checksum(slot)]
    }
  }
}

/** Returns how many blocks it maps in the end. */
function repairLeaf(plan: RepairPlan, own: OwnLeaf, doubles: Doubles): number {
  const { key, inode, leafIndex } = own
  const leaf = own.leaf ?? new Leaf()
  const endSlot = Math.ceil(inode.size / BLOCK_SIZE) - leafIndex * LEAF_BLOCKS
  const offsetOf = (slot: number): number => (leafIndex * LEAF_BLOCKS + slot) * BLOCK_SIZE
  let isChanged = false
  const set = (slot: number, to: Slot | undefined): void => {
    leaf.set(slot, to?.block ?? 0, to?.checksum ?? 0)
    isChanged = true
  }
  const lostSlots = new Map<string, number[]>()
  const lose = (slot: number, why: string): void => {
    set(slot, plan.damagedSlot())
    lostSlots.set(why, [...(lostSlots.get(why) ?? []), slot])
  }
  // Records of the ring may have put a few blocks on top of a leaf that is damaged.
  const isLost = own.leaf === undefined || plan.view.damagedKeys.has(key)
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    const block = leaf.block(slot)
    if (slot >= endSlot) {
      if (block !== 0) set(slot, undefined)
    } else if (block === 0) {
      if (isLost) lose(slot, 'the map of the file is damaged')
    } else if (block >= plan.view.device.blocks.blockCount) {
      lose(slot, `block ${block} is behind the end of the block file`)
    } else if (doubles.has(block) && doubles.get(block) === undefined) {
      const content = plan.contentOf(block)
      const fits = content !== undefined && crc32c(content) === leaf.checksum(slot)
      if (!fits) lose(slot, `block ${block} belongs to another file`)
    }
  }
  for (const [why, slots] of lostSlots) {
    const first = offsetOf(slots[0] ?? 0)
    const more = slots.length > 1 ? ` and ${slots.length - 1} more pages from there on` : ''
    plan.report.giveUp(`inode ${inode.ino}, offset ${first}${more}: ${why}`)
  }
  if (isChanged || isLost) plan.putLeaf(key, leaf)
  if (isChanged && !isLost) plan.report.mend(`inode ${inode.ino}: its map from ${offsetOf(0)} on`)
  return leaf.mappedCount
}
