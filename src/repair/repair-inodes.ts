/**
 * Inodes, and what stands in for lost ones: a directory is made anew where entries say that it was
 * one, so that what lies in it keeps its path; a file of which there are maps comes to /lost+found,
 * since its size is not known to the byte. Of others there is nothing to keep.
 */
import {
  type Ino,
  type Inode,
  ROOT_INO,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_MASK,
  TYPE_SYMLINK,
  decodeDirent,
  decodeInode,
  newInode,
} from '../store/inode.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import { isWellFormed } from '../store/describe-key.ts'
import { GROUP_LENGTH, direntKey, pendingMapKey, u32FromKey, u64FromKey } from '../store/keys.ts'
import { LEAF_BLOCKS, type Leaf, decodeLeaf } from '../store/leaf.ts'
import { showName } from '../show-name.ts'
import type { RepairPlan } from './plan.ts'

const TYPES: ReadonlySet<number> = new Set([
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SYMLINK,
  0o010000,
  0o020000,
  0o060000,
  0o140000,
])

export async function repairInodes(plan: RepairPlan): Promise<void> {
  const { view } = plan
  for await (const { key, body } of view.entries('I')) {
    const ino = isWellFormed(key) ? u64FromKey(key, 1) : 0
    const inode = view.decode(key, body, (bytes) => decodeInode(ino, bytes))
    if (inode === undefined || ino === 0 || !isPossible(inode)) {
      plan.del(key)
      if (ino !== 0) plan.report.giveUp(`inode ${ino}: its inode record`)
    } else {
      plan.inodes.set(ino, inode)
    }
  }
  await loadEntries(plan)
  repairRoot(plan)
  await replaceLost(plan)
  for (const inode of plan.inodes.values()) repairFields(plan, inode)
}

function isPossible(inode: Inode): boolean {
  const type = inode.mode & TYPE_MASK
  return TYPES.has(type) && (type !== TYPE_SYMLINK || inode.target.length > 0)
}

/** All entries that can be read; the others are gone. */
async function loadEntries(plan: RepairPlan): Promise<void> {
  const { view } = plan
  for await (const { key, body } of view.entries('D')) {
    const dirent = view.decode(key, body, decodeDirent)
    const name = key.slice(GROUP_LENGTH)
    if (dirent === undefined || !isWellFormed(key)) {
      plan.del(key)
      plan.report.giveUp(`an entry "${showName(name)}" that is damaged`)
      continue
    }
    const parent = u64FromKey(key, 1)
    const entries = plan.entries.get(parent) ?? new Map()
    plan.entries.set(parent, entries.set(name, dirent))
  }
}

function repairRoot(plan: RepairPlan): void {
  const root = plan.inodes.get(ROOT_INO)
  if (root !== undefined && (root.mode & TYPE_MASK) === TYPE_DIRECTORY && root.nlink > 0) return
  plan.putInode({ ...newInode(ROOT_INO, TYPE_DIRECTORY | 0o755, 0n), parent: ROOT_INO })
  plan.report.mend('the root directory: made anew; its owner, mode and times are lost')
}

async function replaceLost(plan: RepairPlan): Promise<void> {
  for (const [parent, entries] of plan.entries) {
    // A name alone may be damage, too; several in one place are a directory.
    if (plan.inodes.has(parent) || entries.size === 0) continue
    if (isNamedDirectory(plan, parent)) replaceDirectory(plan, parent)
  }
  for (const entries of plan.entries.values()) {
    for (const { ino, type } of entries.values()) {
      if (type === TYPE_DIRECTORY && !plan.inodes.has(ino)) replaceDirectory(plan, ino)
    }
  }
  await replaceFiles(plan)
}

function isNamedDirectory(plan: RepairPlan, ino: Ino): boolean {
  for (const entries of plan.entries.values()) {
    for (const entry of entries.values()) {
      if (entry.ino === ino && entry.type !== TYPE_DIRECTORY) return false
    }
  }
  return true
}

function replaceDirectory(plan: RepairPlan, ino: Ino): void {
  plan.putInode(newInode(ino, TYPE_DIRECTORY | 0o700, 0n))
  plan.report.mend(`inode ${ino}: a directory made anew; its owner, mode and times are lost`)
}

/** Files whose record is lost and whose maps are not. */
async function replaceFiles(plan: RepairPlan): Promise<void> {
  const { view } = plan
  for await (const { key, body } of view.entries('E')) {
    const ino = isWellFormed(key) ? u64FromKey(key, 1) : 0
    if (ino === 0 || (plan.inodes.has(ino) && !plan.madeAnew.has(ino))) continue
    const generation = u32FromKey(key, 9)
    const leaf = view.decode(key, body, decodeLeaf)
    const isPending = view.get(pendingMapKey(ino, generation)) !== undefined
    if (leaf === undefined || leaf.mappedCount === 0 || isPending) continue
    const known = plan.inodes.get(ino) ?? newInode(ino, TYPE_FILE | 0o600, 0n)
    if (generation > known.mapGeneration) Object.assign(known, { mapGeneration: generation })
    const size = (u32FromKey(key, 13) * LEAF_BLOCKS + lastSlot(leaf) + 1) * BLOCK_SIZE
    plan.putInode(Object.assign(known, { size: Math.max(known.size, size) }))
    if (!plan.madeAnew.has(ino)) {
      plan.madeAnew.add(ino)
      removeNames(plan, ino)
      const what = 'its size to the byte, owner, mode and times; what it held is in /lost+found'
      plan.report.giveUp(`inode ${ino}: ${what}`)
    }
  }
}

function removeNames(plan: RepairPlan, ino: Ino): void {
  for (const [parent, entries] of plan.entries) {
    for (const [name, entry] of entries) {
      if (entry.ino !== ino) continue
      entries.delete(name)
      plan.del(direntKey(parent, name))
    }
  }
}

function lastSlot(leaf: Leaf): number {
  let slot = LEAF_BLOCKS - 1
  while (slot > 0 && leaf.block(slot) === 0) slot--
  return slot
}

function repairFields(plan: RepairPlan, inode: Inode): void {
  const type = inode.mode & TYPE_MASK
  if (type !== TYPE_FILE && (inode.size > 0 || inode.blockCount > 0)) {
    plan.set(inode, 'size', 0)
    plan.set(inode, 'blockCount', 0)
    plan.report.mend(`inode ${inode.ino}: it is no file, and had a size`)
  }
  if (type !== TYPE_SYMLINK && inode.target.length > 0) {
    plan.set(inode, 'target', new Uint8Array(0))
    plan.report.mend(`inode ${inode.ino}: it is no symbolic link, and had a target`)
  }
}
