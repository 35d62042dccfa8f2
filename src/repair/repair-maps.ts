/**
 * Extent maps. What cannot be right in a map becomes a page that reads as an error: a hole there
 * would read as zeros, which nobody has written.
 *
 * A block that two files have is kept by the one whose checksum it fits; if it fits both, the other
 * gets a copy. Leaves of generations that are not a file's own are dropped.
 */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE, type BlockNo } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { isWellFormed } from '../store/describe-key.ts'
import { type Inode, isFile } from '../store/inode.ts'
import { u32FromKey, u64FromKey } from '../store/keys.ts'
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
      if (dropsOthers) plan.del(key)
      continue
    }
    const leaf = view.decode(key, body, decodeLeaf)
    yield { key, inode, leafIndex: u32FromKey(key, 13), leaf }
  }
}

/** Blocks that several have. Establishes: `claimed` has all that any map has. */
async function claimBlocks(plan: RepairPlan): Promise<Map<BlockNo, 'open' | 'taken'>> {
  const doubles = new Map<BlockNo, 'open' | 'taken'>()
  for await (const { leaf } of ownLeaves(plan, false)) {
    for (let slot = 0; leaf !== undefined && slot < LEAF_BLOCKS; slot++) {
      const block = leaf.block(slot)
      if (block === 0 || block >= plan.claimed.bitCount) continue
      if (plan.claimed.has(block)) doubles.set(block, 'open')
      plan.claimed.set(block)
    }
  }
  return doubles
}

/** Returns how many blocks it maps in the end. */
function repairLeaf(
  plan: RepairPlan,
  own: OwnLeaf,
  doubles: Map<BlockNo, 'open' | 'taken'>,
): number {
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
    } else if (doubles.has(block)) {
      const content = contentOf(plan, block)
      const fits = content !== undefined && crc32c(content) === leaf.checksum(slot)
      if (!fits) lose(slot, `block ${block} belongs to another file`)
      else if (doubles.get(block) === 'open') doubles.set(block, 'taken')
      else set(slot, plan.storedSlot(content))
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

export function contentOf(plan: RepairPlan, block: BlockNo): Uint8Array | undefined {
  const page = plan.view.page(block)
  if (page !== undefined) return page
  const content = Buffer.alloc(BLOCK_SIZE)
  try {
    plan.view.device.blocks.read(block, content)
    return content
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}
