/** How many owners shared blocks have, as the maps are now. */
import type { BlockNo } from '../device/device.ts'
import { sharesKey, u32FromKey } from '../store/keys.ts'
import { SHARES_BLOCKS, encodeShares } from '../store/shares.ts'
import type { RepairPlan } from './plan.ts'

/** `extra`: for each block that several places map, how many more than one. */
export async function repairShares(
  plan: RepairPlan,
  extra: ReadonlyMap<BlockNo, number>,
): Promise<void> {
  const groups = new Map<number, Uint32Array>()
  for (const [block, count] of extra) {
    const groupIndex = Math.floor(block / SHARES_BLOCKS)
    const counts = groups.get(groupIndex) ?? new Uint32Array(SHARES_BLOCKS)
    groups.set(groupIndex, counts)
    counts[block % SHARES_BLOCKS] = count
  }
  for (const [groupIndex, counts] of groups) plan.put(sharesKey(groupIndex), encodeShares(counts))
  let isDamaged = false
  for await (const { key, body } of plan.view.entries(sharesKey(0).slice(0, 1))) {
    isDamaged ||= body === undefined
    if (!groups.has(u32FromKey(key, 1))) plan.del(key)
  }
  // Freeing what was pending changes counts that were right.
  if (isDamaged || (differs(plan.view.shares, extra) && !(await hasPending(plan)))) {
    plan.report.mend('the number of owners of shared blocks')
  }
}

function differs(said: ReadonlyMap<BlockNo, number>, found: ReadonlyMap<BlockNo, number>): boolean {
  return [...new Set([...said.keys(), ...found.keys()])].some(
    (block) => (said.get(block) ?? 0) !== (found.get(block) ?? 0),
  )
}

async function hasPending(plan: RepairPlan): Promise<boolean> {
  for await (const _ of plan.view.entries('P')) return true
  return false
}
