/** The directory /lost+found, for what has lost its name. */
import {
  type Dirent,
  type Ino,
  type Inode,
  ROOT_INO,
  TYPE_DIRECTORY,
  TYPE_MASK,
  isDirectory,
  newInode,
} from '../store/inode.ts'
import type { RepairPlan } from './plan.ts'

const NAME = 'lost+found'

export class LostAndFound {
  private readonly plan: RepairPlan
  private ino: Ino | undefined

  constructor(plan: RepairPlan) {
    this.plan = plan
  }

  /** Gives an inode the name `#INO`. */
  add(inode: Inode): void {
    this.ino ??= this.find() ?? this.make()
    const name = enter(this.plan, this.ino, `#${inode.ino}`, inode)
    this.plan.report.mend(`inode ${inode.ino}: it had no name, and is now /${NAME}/${name}`)
  }

  private find(): Ino | undefined {
    const entry = this.plan.entries.get(ROOT_INO)?.get(NAME)
    const inode = entry === undefined ? undefined : this.plan.inodes.get(entry.ino)
    return inode !== undefined && isDirectory(inode) ? inode.ino : undefined
  }

  private make(): Ino {
    const inode = newInode(this.plan.nextIno, TYPE_DIRECTORY | 0o700, this.now())
    this.plan.putInode(Object.assign(inode, { parent: ROOT_INO }))
    enter(this.plan, ROOT_INO, NAME, inode)
    return inode.ino
  }

  private now(): bigint {
    return BigInt(Date.now()) * 1_000_000n
  }
}

/** Enters an inode under a name, or a like one that is free; counts are set later. */
function enter(plan: RepairPlan, parent: Ino, wanted: string, inode: Inode): string {
  const entries = plan.entries.get(parent) ?? new Map<string, Dirent>()
  plan.entries.set(parent, entries)
  let name = wanted
  while (entries.has(name)) name += '-'
  // No cookie yet: directories get theirs when all of their entries are known.
  entries.set(name, { ino: inode.ino, type: inode.mode & TYPE_MASK, cookie: 0 })
  return name
}
