/**
 * Files that have lost parts of their map: the inode counts more blocks than there are. Where the
 * places can be told, they become pages that read as errors; a file with as many blocks as its size
 * takes has no holes at all. In a file with holes nobody can tell them from what is lost. If there are
 * not too many they all become such pages; otherwise the count stays wrong on purpose, for it is what
 * makes every hole of this file read as an error.
 */
import { crc32c } from '../crc32c.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import type { Inode } from '../store/inode.ts'
import { leafKey } from '../store/keys.ts'
import { LEAF_BLOCKS, Leaf, decodeLeaf } from '../store/leaf.ts'
import type { RepairPlan } from './plan.ts'
import { contentOf } from './repair-maps.ts'

/** 64 MiB. */
const DOUBTFUL_BLOCKS_MAX = 16_384

export async function repairHoles(
  plan: RepairPlan,
  inode: Inode,
  mappedCount: number,
): Promise<void> {
  const sizeBlocks = Math.ceil(inode.size / BLOCK_SIZE)
  let count = mappedCount
  const isLinked = inode.nlink > 0
  if (isLinked && inode.blockCount > mappedCount && sizeBlocks > mappedCount) {
    if (sizeBlocks - mappedCount > DOUBTFUL_BLOCKS_MAX && inode.blockCount < sizeBlocks) {
      const what = 'blocks are lost that nobody can tell from its holes; these all read as errors'
      plan.report.giveUp(`inode ${inode.ino}: ${inode.blockCount - mappedCount} ${what}`)
      return
    }
    count += fillHoles(plan, inode, sizeBlocks)
  }
  if (plan.set(inode, 'blockCount', count) && !plan.madeAnew.has(inode.ino)) {
    plan.report.mend(`inode ${inode.ino}: its number of blocks`)
  }
  if (isLinked) clearEnd(plan, inode)
}

/** Every hole becomes a damaged page; returns how many. */
function fillHoles(plan: RepairPlan, inode: Inode, sizeBlocks: number): number {
  let filled = 0
  for (let first = 0; first < sizeBlocks; first += LEAF_BLOCKS) {
    const { key, leaf } = leafAt(plan, inode, first)
    const before = filled
    for (let slot = 0; slot < LEAF_BLOCKS && first + slot < sizeBlocks; slot++) {
      if (leaf.block(slot) !== 0) continue
      const { block, checksum } = plan.damagedSlot()
      leaf.set(slot, block, checksum)
      filled++
    }
    if (filled === before) continue
    plan.putLeaf(key, leaf)
    const place = `offset ${first * BLOCK_SIZE}, ${filled - before} pages of ${LEAF_BLOCKS}`
    plan.report.giveUp(`inode ${inode.ino}, ${place}: the map of the file has lost them`)
  }
  return filled
}

/** As the plan has it by now. */
function leafAt(plan: RepairPlan, inode: Inode, fileBlock: number): { key: string; leaf: Leaf } {
  const key = leafKey(inode.ino, inode.mapGeneration, Math.floor(fileBlock / LEAF_BLOCKS))
  const body = plan.get(key)
  const leaf = plan.view.decode(key, body, decodeLeaf) ?? new Leaf()
  return { key, leaf }
}

/** The last block holds zeros behind the end; a new block does, so that the old one stays whole. */
function clearEnd(plan: RepairPlan, inode: Inode): void {
  const tail = inode.size % BLOCK_SIZE
  if (tail === 0 || inode.blockCount === 0) return
  const fileBlock = Math.floor(inode.size / BLOCK_SIZE)
  const { key, leaf } = leafAt(plan, inode, fileBlock)
  const slot = fileBlock % LEAF_BLOCKS
  const block = leaf.block(slot)
  if (block === 0 || plan.newBlocks.has(block)) return
  const content = contentOf(plan, block)
  if (content === undefined || crc32c(content) !== leaf.checksum(slot)) return
  if (!content.subarray(tail).some((byte) => byte !== 0)) return
  const cleared = plan.storedSlot(Buffer.from(content).fill(0, tail))
  leaf.set(slot, cleared.block, cleared.checksum)
  plan.putLeaf(key, leaf)
  plan.report.mend(`inode ${inode.ino}: zeros behind its end`)
}
