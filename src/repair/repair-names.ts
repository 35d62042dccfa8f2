/**
 * Names: every entry leads to something, every directory has one name and is reached from the root,
 * and what has lost its name gets one in /lost+found.
 */
import {
  type Dirent,
  type Ino,
  type Inode,
  ROOT_INO,
  TYPE_MASK,
  isDirectory,
} from '../store/inode.ts'
import { direntKey, isWellFormed, u64FromKey } from '../store/keys.ts'
import { showName } from '../show-name.ts'
import { LostAndFound } from './lost-and-found.ts'
import type { RepairPlan } from './plan.ts'

export async function repairNames(plan: RepairPlan): Promise<void> {
  for (const [ino, entries] of plan.entries) {
    const inode = plan.inodes.get(ino)
    // Only an empty directory is ever removed.
    if (inode !== undefined && isDirectory(inode) && entries.size > 0 && inode.nlink === 0) {
      plan.set(inode, 'nlink', 2)
    }
  }
  await findHidden(plan)
  dropBadEntries(plan)
  dropSecondNames(plan)
  const found = new LostAndFound(plan)
  reachAll(plan, found)
  const named = new Set<Ino>()
  for (const entries of plan.entries.values())
    for (const { ino } of entries.values()) named.add(ino)
  const nameless = [...plan.inodes.values()].filter(
    ({ ino, nlink }) => ino !== ROOT_INO && nlink > 0 && !named.has(ino) && !plan.hidden.has(ino),
  )
  for (const inode of nameless) found.add(inode)
}

/** The list of hidden directories; what is on it by mistake is kept, as the user's. */
async function findHidden(plan: RepairPlan): Promise<void> {
  for await (const { key, body } of plan.view.entries('H')) {
    if (!isWellFormed(key)) continue
    const ino = u64FromKey(key, 1)
    const inode = plan.inodes.get(ino)
    // Its own parent is what no other directory is.
    if (inode !== undefined && isDirectory(inode) && inode.parent === ino && ino !== ROOT_INO) {
      plan.hidden.add(ino)
      if (body === undefined) plan.put(key, new Uint8Array(0))
      if (inode.nlink === 0) plan.set(inode, 'nlink', 2)
    } else {
      plan.del(key)
      plan.report.mend(`inode ${ino}: taken off the list of hidden directories`)
    }
  }
}

function dropEntry(plan: RepairPlan, parent: Ino, name: string): void {
  plan.entries.get(parent)?.delete(name)
  plan.del(direntKey(parent, name))
}

function dropBadEntries(plan: RepairPlan): void {
  for (const [parent, entries] of plan.entries) {
    const directory = plan.inodes.get(parent)
    for (const [name, entry] of entries) {
      const why = whatIsWrong(plan, directory, name, entry)
      if (why === undefined) {
        repairType(plan, parent, name, entry)
        continue
      }
      dropEntry(plan, parent, name)
      plan.report.mend(`inode ${parent}: entry "${showName(name)}" removed, ${why}`)
    }
  }
}

function whatIsWrong(
  plan: RepairPlan,
  directory: Inode | undefined,
  name: string,
  { ino }: Dirent,
): string | undefined {
  if (directory === undefined || !isDirectory(directory)) return 'which was in no directory'
  if (name === '.' || name === '..' || /[/\0]/.test(name)) return 'which is no name'
  if (ino === ROOT_INO) return 'which led to the root'
  if (plan.hidden.has(ino)) return 'which led to a hidden directory'
  return plan.inodes.has(ino) ? undefined : `which led to inode ${ino}, which does not exist`
}

function repairType(plan: RepairPlan, parent: Ino, name: string, entry: Dirent): void {
  const type = (plan.inodes.get(entry.ino)?.mode ?? 0) & TYPE_MASK
  if (type === entry.type) return
  plan.entries.get(parent)?.set(name, { ...entry, type })
  plan.report.mend(`inode ${parent}: entry "${showName(name)}" had another type`)
}

/** Of several names of a directory the one stays that it says itself. */
function dropSecondNames(plan: RepairPlan): void {
  const names = new Map<Ino, { parent: Ino; name: string }>()
  for (const [parent, entries] of plan.entries) {
    for (const [name, { ino }] of entries) {
      const inode = plan.inodes.get(ino)
      if (inode === undefined || !isDirectory(inode)) continue
      const first = names.get(ino)
      if (first === undefined) {
        names.set(ino, { parent, name })
        continue
      }
      const dropped = inode.parent === parent && first.parent !== parent ? first : { parent, name }
      if (dropped === first) names.set(ino, { parent, name })
      dropEntry(plan, dropped.parent, dropped.name)
      const shown = `entry "${showName(dropped.name)}" removed`
      plan.report.mend(`inode ${dropped.parent}: ${shown}, a second name of directory ${ino}`)
    }
  }
}

/** Directories that nothing leads to from the root, alone or in a circle. */
function reachAll(plan: RepairPlan, found: LostAndFound): void {
  const reached = new Set<Ino>()
  for (const ino of [ROOT_INO, ...plan.hidden]) reach(plan, ino, reached)
  const parents = new Map<Ino, { parent: Ino; name: string }>()
  for (const [parent, entries] of plan.entries) {
    for (const [name, { ino }] of entries) parents.set(ino, { parent, name })
  }
  const lost = [...plan.inodes.values()].filter(
    (inode) => isDirectory(inode) && inode.nlink > 0 && !reached.has(inode.ino),
  )
  // Tops first; then whatever is left lies in a circle, and any of it may be the top.
  for (const isTop of [true, false]) {
    for (const inode of lost) {
      const name = parents.get(inode.ino)
      if (reached.has(inode.ino) || (isTop && name !== undefined)) continue
      if (name !== undefined) dropEntry(plan, name.parent, name.name)
      found.add(inode)
      reach(plan, inode.ino, reached)
    }
  }
}

function reach(plan: RepairPlan, from: Ino, reached: Set<Ino>): void {
  const waiting = [from]
  for (let ino = waiting.pop(); ino !== undefined; ino = waiting.pop()) {
    if (reached.has(ino)) continue
    reached.add(ino)
    for (const entry of plan.entries.get(ino)?.values() ?? []) {
      const inode = plan.inodes.get(entry.ino)
      if (inode !== undefined && isDirectory(inode)) waiting.push(entry.ino)
    }
  }
}
