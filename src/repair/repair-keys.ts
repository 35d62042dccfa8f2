/** Keys of no kind, attributes, orphans and pending maps. */
import { PREFIXES, describeKey, isWellFormed } from '../store/describe-key.ts'
import { INODE_HAS_XATTRS } from '../store/inode.ts'
import { VOLUME_KEY, orphanKey, prefixEnd, u64FromKey } from '../store/keys.ts'
import type { RepairPlan } from './plan.ts'

const EMPTY = new Uint8Array(0)
const LAST_KEY = '\xff'.repeat(600)

export async function repairKeys(plan: RepairPlan): Promise<void> {
  await dropForeign(plan)
  await repairXattrs(plan)
  await repairOrphans(plan)
  await dropPending(plan)
  const { superblock } = plan.view
  if (plan.view.identity() !== undefined) return
  plan.put(VOLUME_KEY, superblock.uuid)
  plan.report.mend('the index did not say whose it is')
}

async function dropForeign(plan: RepairPlan): Promise<void> {
  const drop = (key: string): void => {
    plan.del(key)
    plan.report.mend(`${describeKey(key).text} removed, which is of no kind`)
  }
  let from = '\0'
  for (const prefix of PREFIXES) {
    for await (const { key } of plan.view.range(from, prefix)) drop(key)
    for await (const { key } of plan.view.entries(prefix)) if (!isWellFormed(key)) drop(key)
    from = prefixEnd(prefix)
  }
  for await (const { key } of plan.view.range(from, LAST_KEY)) drop(key)
}

async function repairXattrs(plan: RepairPlan): Promise<void> {
  for await (const { key, body } of plan.view.entries('X')) {
    if (!isWellFormed(key)) continue
    const inode = plan.inodes.get(u64FromKey(key, 1))
    if (inode === undefined || body === undefined) {
      plan.del(key)
      plan.report.giveUp(`inode ${u64FromKey(key, 1)}: ${describeKey(key).text}`)
    } else if (plan.set(inode, 'flags', inode.flags | INODE_HAS_XATTRS)) {
      plan.report.mend(`inode ${inode.ino}: that it has attributes`)
    }
  }
}

/** Requires: link counts are right. */
async function repairOrphans(plan: RepairPlan): Promise<void> {
  const listed = new Set<number>()
  for await (const { key, body } of plan.view.entries('O')) {
    if (!isWellFormed(key)) continue
    const ino = u64FromKey(key, 1)
    if (plan.inodes.get(ino)?.nlink === 0) {
      listed.add(ino)
      if (body === undefined) plan.put(key, EMPTY)
    } else {
      plan.del(key)
      plan.report.mend(`inode ${ino}: taken off the list of orphans`)
    }
  }
  for (const { ino, nlink } of plan.inodes.values()) {
    if (nlink > 0 || listed.has(ino)) continue
    plan.put(orphanKey(ino), EMPTY)
    plan.report.mend(`inode ${ino}: put on the list of orphans`)
  }
}

/** Nobody reads them; their leaves go with them (see `repair-maps.ts`). */
async function dropPending(plan: RepairPlan): Promise<void> {
  for await (const { key } of plan.view.entries('P')) if (isWellFormed(key)) plan.del(key)
}
