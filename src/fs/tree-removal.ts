/**
 * Removes a hidden directory with all that is in it, as `rm -r` would: entries first, then the directory
 * that they were in. Every step is one small commit, and the key of the hidden directory stays until the
 * last, so a crash only means going on. What loses its last name becomes an orphan, which is freed when
 * nobody has it open any more; the kernel is told of the names that it may know.
 */
import { isDirectory, type Ino, ROOT_INO, decodeDirent } from '../store/inode.ts'
import { direntGroup, direntKey } from '../store/keys.ts'
import type { ReaperWork } from '../txn/reaper.ts'
import type { FsContext } from './context.ts'
import { evict } from './evict.ts'
import { dropLink, removeName } from './names.ts'
import { reapIfForgotten } from './namespace.ts'

/** Entries removed by one record: with targets of symbolic links 70 KB at worst. */
const ENTRIES_PER_STEP = 16
/** Entries read at a time. */
const ENTRIES_PER_LOOK = 1024

interface Name {
  readonly parent: Ino
  readonly name: string
  readonly ino: Ino
}

interface Directory extends Name {
  /** Entries that were read, from `at` on not removed yet. */
  entries: readonly Name[]
  at: number
}

export class TreeRemoval implements ReaperWork {
  private readonly context: FsContext
  private readonly hidden: Ino
  /** The directories from the hidden one to where the removal is. */
  private readonly path: Directory[] = []

  constructor(context: FsContext, hidden: Ino) {
    this.context = context
    this.hidden = hidden
    this.enter({ parent: hidden, name: '', ino: hidden })
  }

  async step(): Promise<boolean> {
    const { engine } = this.context
    const directory = this.path.at(-1)
    if (directory === undefined || !this.isHidden()) return false
    if (directory.at === directory.entries.length) await this.look(directory)
    while (!engine.hasRoom) await engine.room()
    if (directory.entries.length > 0) {
      this.removeSome(directory)
      return true
    }
    this.path.pop()
    this.context.doomed.delete(directory.ino)
    if (directory.ino === this.hidden) this.removeHidden()
    else this.remove([directory])
    return this.path.length > 0
  }

  /** Only a damaged volume lists a directory that others can see. */
  private isHidden(): boolean {
    const inode = this.context.engine.inodes.find(this.hidden)
    if (inode === undefined) return true
    return isDirectory(inode) && inode.parent === this.hidden && this.hidden !== ROOT_INO
  }

  /** From now on nothing is made in it. */
  private enter(name: Name): void {
    this.path.push({ ...name, entries: [], at: 0 })
    this.context.doomed.add(name.ino)
  }

  private async look(directory: Directory): Promise<void> {
    const { metadata } = this.context.engine.store
    const prefix = direntGroup(directory.ino)
    const found = await metadata.scan(prefix, { limit: ENTRIES_PER_LOOK })
    directory.at = 0
    directory.entries = found.map(([key, body]) => ({
      parent: directory.ino,
      name: key.slice(prefix.length),
      ino: decodeDirent(body).ino,
    }))
  }

  /** Removes names up to the first directory that has entries, and goes on in that one. */
  private removeSome(directory: Directory): void {
    const { inodes } = this.context.engine
    const next = directory.entries.slice(directory.at, directory.at + ENTRIES_PER_STEP)
    const full = next.findIndex((entry) => {
      const inode = inodes.find(entry.ino)
      const isFull = inode !== undefined && isDirectory(inode) && inode.entryCount > 0
      return isFull && this.isBelow(entry.ino) && this.isThere(entry)
    })
    const below = next[full]
    const names = below === undefined ? next : next.slice(0, full)
    directory.at += names.length
    this.remove(names)
    if (below !== undefined) this.enter(below)
  }

  /** Only on a damaged volume does a tree lead to the root, or back into itself. */
  private isBelow(ino: Ino): boolean {
    return ino !== ROOT_INO && this.path.every((passed) => passed.ino !== ino)
  }

  private remove(names: readonly Name[]): void {
    const { engine, references, kernel, log } = this.context
    const now = engine.clock()
    const change = engine.begin()
    const removed = names.filter((entry) => this.isThere(entry))
    for (const { parent, name, ino } of removed) {
      const inode = engine.inodes.find(ino)
      if (inode === undefined || !this.isBelow(ino)) {
        change.removeDirent(parent, name)
        change.inode(parent).entryCount--
        continue
      }
      const draft = change.inode(ino)
      removeName(change, parent, name, draft, now)
      dropLink(change, draft, now)
    }
    if (!change.isEmpty) engine.commit(change)
    for (const { parent, name, ino } of removed) {
      if (references.has(ino)) {
        kernel.dropName(parent, name).catch((error: unknown) => {
          log.warn({ parent, err: error }, 'the kernel may still show a name that was removed')
        })
      }
      reapIfForgotten(this.context, ino)
      evict(this.context, ino)
    }
  }

  /** Somebody whose working directory it is may have removed or renamed it meanwhile. */
  private isThere({ parent, name, ino }: Name): boolean {
    const body = this.context.engine.store.metadata.get(direntKey(parent, name))
    return body !== undefined && decodeDirent(body).ino === ino
  }

  /** The last step. The kernel may know the directory still, so it becomes an orphan first. */
  private removeHidden(): void {
    const { engine } = this.context
    const change = engine.begin()
    change.removeHidden(this.hidden)
    if (engine.inodes.find(this.hidden) !== undefined) {
      dropLink(change, change.inode(this.hidden), engine.clock())
    }
    engine.commit(change)
    reapIfForgotten(this.context, this.hidden)
  }
}
