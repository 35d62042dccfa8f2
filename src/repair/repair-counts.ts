/** What inodes say of names: links, entries, cookies and parents, as the entries are now. */
import {
  type Dirent,
  type Ino,
  type Inode,
  ROOT_INO,
  encodeDirent,
  isDirectory,
} from '../store/inode.ts'
import { direntKey } from '../store/keys.ts'
import type { RepairPlan } from './plan.ts'

const COOKIE_MIN = 3

export function repairCounts(plan: RepairPlan): void {
  const names = new Map<Ino, number>()
  const subdirectories = new Map<Ino, number>()
  for (const [parent, entries] of plan.entries) {
    for (const { ino } of entries.values()) {
      names.set(ino, (names.get(ino) ?? 0) + 1)
      const inode = plan.inodes.get(ino)
      if (inode === undefined || !isDirectory(inode)) continue
      subdirectories.set(parent, (subdirectories.get(parent) ?? 0) + 1)
      if (plan.set(inode, 'parent', parent)) say(plan, inode, 'its parent')
    }
  }
  for (const inode of plan.inodes.values()) {
    const { ino } = inode
    if (isDirectory(inode)) repairDirectory(plan, inode)
    else if (plan.set(inode, 'entryCount', 0)) say(plan, inode, 'its number of entries')
    const nameCount = ino === ROOT_INO || plan.hidden.has(ino) ? 1 : (names.get(ino) ?? 0)
    const linkCount = isDirectory(inode) ? 2 + (subdirectories.get(ino) ?? 0) : nameCount
    const expected = nameCount === 0 ? 0 : linkCount
    if (plan.set(inode, 'nlink', expected)) say(plan, inode, 'its link count')
  }
}

function repairDirectory(plan: RepairPlan, inode: Inode): void {
  const entries = plan.entries.get(inode.ino) ?? new Map<string, Dirent>()
  if (plan.set(inode, 'entryCount', entries.size)) say(plan, inode, 'its number of entries')
  if (inode.ino === ROOT_INO && plan.set(inode, 'parent', ROOT_INO)) say(plan, inode, 'its parent')
  const seen = new Set<number>()
  let next = Math.max(COOKIE_MIN, inode.cookieNext)
  for (const { cookie } of entries.values()) next = Math.max(next, cookie + 1)
  for (const [name, entry] of entries) {
    let { cookie } = entry
    if (cookie < COOKIE_MIN || seen.has(cookie)) cookie = next++
    seen.add(cookie)
    const key = direntKey(inode.ino, name)
    const body = encodeDirent({ ...entry, cookie })
    const stored = plan.view.get(key)
    if (stored === undefined || Buffer.compare(stored, body) !== 0) plan.put(key, body)
  }
  if (plan.set(inode, 'cookieNext', next)) say(plan, inode, 'its next cookie')
}

function say({ report }: RepairPlan, { ino }: Inode, what: string): void {
  report.mend(`inode ${ino}: ${what}`)
}
