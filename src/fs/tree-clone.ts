/**
 * A private copy of a directory with all that is in it. Contents are shared block by block, so the copy
 * takes metadata alone. It is made in small commits below a hidden directory, which nobody can look up
 * and which is removed with the next mount if nobody does before; a crash anywhere leaves a part of a copy
 * there, and the directory as it was.
 *
 *   begin   one commit: the hidden directory, its key, and the copy of the directory in it
 *   step    one commit: entries of one directory with their inodes; the rest of a large file's map; or
 *           attributes
 *
 * Whatever is read is put on the list of sources in the tick in which it is read, and a commit that
 * changes a source afterwards is noted: the copy is one of a single moment exactly if none has.
 *
 * Blocks become shared in the tick in which the map of their file is read, and not while something is
 * being published to it, so they have an owner then. A page staged for such a block would go home in
 * place; from now on it needs a block of its own, and gets one set aside.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import {
  type Dirent,
  INODE_APPEND_ONLY,
  INODE_HAS_XATTRS,
  INODE_IMMUTABLE,
  type Ino,
  type Inode,
  TYPE_DIRECTORY,
  TYPE_MASK,
  decodeDirent,
  isDirectory,
  isFile,
  newInode,
} from '../store/inode.ts'
import { direntGroup, xattrGroup } from '../store/keys.ts'
import { showName } from '../show-name.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import type { Change } from '../txn/change.ts'
import { shareLeaf } from '../txn/copy.ts'
import type { FsContext } from './context.ts'
import { evict } from './evict.ts'
import type { Caller } from './operations.ts'
import { assertOwns } from './permission.ts'
import { SettledFiles } from './settled-files.ts'
import { assertSpaceForMetadata } from './space.ts'

/** The name of the copy in its hidden directory. */
export const TREE_NAME = 'tree'

/** Operations in one record, in bytes, before the last entry is added to it. */
const STEP_BYTES_MAX = 48 * 1024
/** Leaves of one file in one record: 35 KB if none of their blocks are neighbours. */
const LEAVES_PER_STEP = 16

interface Directory {
  readonly source: Ino
  readonly target: Ino
}

interface Entry extends Dirent {
  readonly name: string
}

/** What of one inode is still to be copied. */
interface Rest {
  readonly source: Ino
  readonly target: Ino
  readonly what: 'map' | 'attributes'
  /** Leaves before this one, or so many attributes, are copied. */
  done: number
}

export class TreeClone {
  /** Everything that was read. */
  readonly sources = new Set<Ino>()
  /** What was made of it. */
  readonly copies = new Set<Ino>()
  readonly hidden: Ino
  readonly root: Ino
  /** A source that was changed after it was read. */
  changed: Ino | undefined
  private readonly context: FsContext
  private readonly caller: Caller | undefined
  /** Owners and groups of directories that the caller may do with as he likes. */
  private readonly owners = new Set<string>()
  /** Files with several names, and their copies. */
  private readonly links = new Map<Ino, Ino>()
  private readonly directories: Directory[] = []
  private readonly rests: Rest[] = []
  /** What is left to be copied of one directory. */
  private current: { readonly directory: Directory; readonly entries: Entry[]; at: number }
  private readonly files: SettledFiles

  private constructor(context: FsContext, folder: Ino, caller?: Caller) {
    this.context = context
    this.caller = caller
    this.files = new SettledFiles(context)
    this.hidden = context.engine.takeIno()
    this.root = context.engine.takeIno()
    this.current = { directory: { source: folder, target: this.root }, entries: [], at: 0 }
  }

  /** Makes the hidden directory. Requires: the journal has room. Throws FsError EPERM or ENOSPC. */
  static begin(context: FsContext, folder: Ino, caller?: Caller): TreeClone {
    const clone = new TreeClone(context, folder, caller)
    clone.makeHidden(folder)
    return clone
  }

  get isDone(): boolean {
    const { entries, at } = this.current
    return at === entries.length && this.rests.length === 0 && this.directories.length === 0
  }

  /**
   * Copies a little more; resolves with whether anything is left. Throws FsError EBUSY when a source
   * was changed, EPERM for what the caller may not replace, EIO for what cannot be read, ENOSPC.
   */
  async step(): Promise<boolean> {
    this.assertUnchanged()
    const [rest] = this.rests
    const [next] = this.directories
    if (rest !== undefined) {
      const isLeft = rest.what === 'map' ? this.stepMap(rest) : this.stepAttributes(rest)
      if (!(await isLeft)) this.rests.splice(this.rests.indexOf(rest), 1)
    } else if (this.current.at < this.current.entries.length) {
      await this.stepEntries()
    } else if (next !== undefined) {
      this.current = { directory: next, entries: await this.list(next), at: 0 }
      this.directories.shift()
    }
    return !this.isDone
  }

  /** Throws FsError EBUSY. */
  assertUnchanged(): void {
    if (this.changed === undefined) return
    throw new FsError('EBUSY', `Inode ${this.changed} was changed while its folder was copied`)
  }

  private makeHidden(folder: Ino): void {
    const { engine } = this.context
    assertSpaceForMetadata(engine.store.device.index)
    const source = this.read(folder)
    const hidden = newInode(this.hidden, TYPE_DIRECTORY | 0o700, engine.clock())
    const { uid, gid } = source
    Object.assign(hidden, { uid, gid, parent: this.hidden, nlink: 3, entryCount: 1 })
    const cookie = hidden.cookieNext++
    const change = engine.begin()
    change.addInode(hidden)
    change.putHidden(this.hidden)
    change.putDirent(this.hidden, TREE_NAME, { ino: this.root, type: TYPE_DIRECTORY, cookie })
    this.addDirectory(change, source, this.hidden, this.root)
    engine.commit(change)
  }

  /** An inode that will be copied in this very tick. */
  private read(ino: Ino): Inode {
    const inode = this.context.engine.inodes.get(ino)
    if (isDirectory(inode)) this.assertOwns(inode)
    if ((inode.flags & (INODE_IMMUTABLE | INODE_APPEND_ONLY)) !== 0) {
      throw new FsError('EPERM', `Inode ${ino} is protected; see lsattr(1)`)
    }
    this.sources.add(ino)
    return inode
  }

  /** Who may remove everything in it may replace it. */
  private assertOwns(directory: Inode): void {
    const owner = `${directory.uid} ${directory.gid}`
    if (this.owners.has(owner)) return
    assertOwns(this.context, directory, this.caller)
    this.owners.add(owner)
  }

  private async list(directory: Directory): Promise<Entry[]> {
    const prefix = direntGroup(directory.source)
    const found = await this.context.engine.store.metadata.scan(prefix)
    return found.map(([key, body]) => ({ ...decodeDirent(body), name: key.slice(prefix.length) }))
  }

  /** Copies the next entries of a directory, as many as one record takes. */
  private async stepEntries(): Promise<void> {
    const { engine } = this.context
    const { directory, entries, at } = this.current
    await this.room()
    const change = engine.begin()
    const passed: Ino[] = []
    let count = 0
    for (let index = at; index < entries.length; index++) {
      const entry = entries[index]
      if (entry === undefined || sizeOf(change) > STEP_BYTES_MAX) break
      const source = this.sourceOf(directory, entry)
      if (isFile(source) && !this.files.isSettled(source)) break
      passed.push(entry.ino, this.addEntry(change, directory, entry))
      count++
    }
    const waiting = entries[at]
    if (count === 0 && waiting !== undefined) {
      await this.files.settle(waiting.ino)
      return
    }
    engine.commit(change)
    this.current.at += count
    this.files.noteProgress()
    for (const ino of passed) evict(this.context, ino)
  }

  /** Throws FsError EIO where an entry leads to nothing of its type. */
  private sourceOf({ source }: Directory, { ino, name, type }: Entry): Inode {
    const { engine } = this.context
    const inode = engine.inodes.find(ino)
    if (inode !== undefined && (inode.mode & TYPE_MASK) === type) return inode
    const what = `has the entry "${showName(name)}", which leads to nothing of its type`
    throw engine.damaged({ ino: source, offset: 0, block: undefined, what })
  }

  /** Room in the journal and in the index, and nothing changed meanwhile. */
  private async room(): Promise<void> {
    const { engine } = this.context
    while (!engine.hasRoom) await engine.room()
    engine.health.assertWritable()
    assertSpaceForMetadata(engine.store.device.index)
    this.assertUnchanged()
  }

  /** Returns the copy's inode. */
  private addEntry(change: Change, { target }: Directory, { ino, name, type, cookie }: Entry): Ino {
    const { engine } = this.context
    const parent = change.inode(target)
    parent.entryCount++
    const linked = this.links.get(ino)
    const copy = linked ?? engine.takeIno()
    change.putDirent(target, name, { ino: copy, type, cookie })
    if (linked !== undefined) {
      change.inode(linked).nlink++
      return copy
    }
    const source = this.read(ino)
    if (isDirectory(source)) {
      parent.nlink++
      this.addDirectory(change, source, target, copy)
    } else {
      this.addOther(change, source, copy)
    }
    return copy
  }

  private addDirectory(change: Change, source: Inode, parent: Ino, ino: Ino): void {
    change.addInode({ ...source, ino, parent, nlink: 2, entryCount: 0 })
    this.copies.add(ino)
    this.directories.push({ source: source.ino, target: ino })
    this.addAttributes(source, ino)
  }

  private addOther(change: Change, source: Inode, ino: Ino): void {
    change.addInode({ ...source, ino, nlink: 1, blockCount: 0, mapGeneration: 0 })
    this.copies.add(ino)
    if (source.nlink > 1) this.links.set(source.ino, ino)
    this.addAttributes(source, ino)
    if (source.blockCount === 0) return
    const leafCount = Math.ceil(source.size / BLOCK_SIZE / LEAF_BLOCKS)
    if (leafCount > LEAVES_PER_STEP) {
      this.rests.push({ source: source.ino, target: ino, what: 'map', done: 0 })
      return
    }
    const leaves = Array.from({ length: leafCount }, (_, leafIndex) => leafIndex)
    this.shareLeaves(change, source, ino, leaves)
    this.assertAllShared(source, change.inode(ino))
  }

  private addAttributes(source: Inode, target: Ino): void {
    if ((source.flags & INODE_HAS_XATTRS) === 0) return
    this.rests.push({ source: source.ino, target, what: 'attributes', done: 0 })
  }

  private shareLeaves(change: Change, source: Inode, target: Ino, leaves: readonly number[]): void {
    const { engine, files } = this.context
    const fork = files.find(source.ino)?.shadow
    const draft = change.inode(target)
    for (const leafIndex of leaves) {
      draft.blockCount += shareLeaf(engine, change, { source, fork, target, leafIndex })
    }
  }

  /** A leaf that the index has lost would be a hole of the copy, and nobody would know. */
  private assertAllShared(source: Inode, copy: Inode): void {
    if (copy.blockCount === source.blockCount) return
    const what = 'has lost a part of its map'
    throw this.context.engine.damaged({ ino: source.ino, offset: 0, block: undefined, what })
  }

  private async stepMap(rest: Rest): Promise<boolean> {
    const { engine, files } = this.context
    const { mapGeneration } = engine.inodes.get(rest.source)
    const map = engine.store.maps.get(rest.source, mapGeneration)
    const leaves = await map.existingLeaves(rest.done, LEAVES_PER_STEP)
    await this.room()
    if (files.find(rest.source)?.lock.isHeld === true) {
      await this.files.settle(rest.source)
      return true
    }
    const source = engine.inodes.get(rest.source)
    const change = engine.begin()
    this.shareLeaves(change, source, rest.target, leaves)
    const isLeft = leaves.length === LEAVES_PER_STEP
    if (!isLeft) this.assertAllShared(source, change.inode(rest.target))
    engine.commit(change)
    rest.done = (leaves.at(-1) ?? 0) + 1
    this.files.noteProgress()
    if (!isLeft) evict(this.context, rest.target)
    return isLeft
  }

  private async stepAttributes(rest: Rest): Promise<boolean> {
    const { engine } = this.context
    const prefix = xattrGroup(rest.source)
    const found = (await engine.store.metadata.scan(prefix)).slice(rest.done)
    await this.room()
    const change = engine.begin()
    let count = 0
    for (const [key, value] of found) {
      // One alone always fits.
      if (count > 0 && sizeOf(change) + value.length > STEP_BYTES_MAX) break
      change.putXattr(rest.target, key.slice(prefix.length), value)
      count++
    }
    if (count > 0) engine.commit(change)
    rest.done += count
    return count < found.length
  }
}

/** Bytes that a change takes in a record, about. */
function sizeOf(change: Change): number {
  let bytes = change.sizeBytes
  for (const { target } of change.drafts.values()) bytes += 130 + target.length
  return bytes
}
