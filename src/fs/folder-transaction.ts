/**
 * A change of a whole folder: somebody works on a private copy of it, and one commit puts that in the
 * folder's place, or it goes.
 *
 *   begin    a hidden directory with a copy of the folder (see `tree-clone.ts`). The folder's owner
 *            reaches it below the folder by a secret name that no listing shows.
 *   work     in the copy, by ordinary calls.
 *   commit   1. what the kernel has cached of files in the copy is written back, and what is staged for
 *               them is published: each file by itself, for nobody sees the copy.
 *            2. the same is written back of files in the folder that somebody could write to, so that
 *               a change shows.
 *            3. one record: the name of the folder leads to the copy, and that of the copy to the folder
 *               as it was. In the tick of this commit it is made sure that nothing was changed in the
 *               folder since it was copied. This is the commit point.
 *            4. the journal is flushed: all records of 1 are before that of 3, so they are durable too.
 *            5. the kernel drops the folder's name from its cache. Until then a change through the old
 *               name is refused with ESTALE, at which Linux looks the path up again and makes the
 *               change in the new folder.
 *   end      what is hidden, the copy or the folder as it was, is removed in the background.
 *
 * A crash before 3 is durable leaves the folder as it was, afterwards the new one; in both cases a hidden
 * directory with the other one in it, which the next mount removes. There is no state between, and
 * nothing that a recovery would have to decide.
 *
 * The transaction belongs to the handle by which it was begun, and ends with it: a program that dies
 * closes it, and a daemon that dies takes all handles with it.
 */
import { randomBytes } from 'node:crypto'
import { FsError } from '../errors.ts'
import {
  type Dirent,
  type Ino,
  type Inode,
  ROOT_INO,
  TYPE_DIRECTORY,
  decodeDirent,
  isAtomic,
  isDirectory,
} from '../store/inode.ts'
import { direntGroup } from '../store/keys.ts'
import { publish } from '../txn/publish.ts'
import { closedArePublished } from './durable.ts'
import type { FsContext } from './context.ts'
import { findDirent, touchDirectory } from './names.ts'
import { TREE_NAME, type TreeClone } from './tree-clone.ts'

/** Where a folder has its name. */
export interface Place {
  readonly parent: Ino
  readonly name: string
}

export const SECRET_PREFIX = '.oatomic-run-'

export class FolderTransaction {
  readonly folder: Ino
  readonly clone: TreeClone
  readonly secret = SECRET_PREFIX + randomBytes(16).toString('hex')
  /** Writes of files in the copy, or elsewhere, that were lost after the kernel had taken them. */
  readonly lostWrites = new Map<Ino, FsError>()
  isOver = false
  /** Whether a call of it is under way. */
  isBusy = false
  private readonly context: FsContext
  private readonly place: Place

  constructor(context: FsContext, folder: Ino, place: Place, clone: TreeClone) {
    this.context = context
    this.folder = folder
    this.place = place
    this.clone = clone
  }

  /** Copies a little more of the folder; resolves with whether anything is left. */
  async step(): Promise<boolean> {
    this.assertOpen()
    return this.clone.step()
  }

  /**
   * Steps 1 to 3; `onExchanged` is told in the tick of the commit. Throws FsError EBUSY when the folder
   * was changed by others, and what broke the copy.
   */
  async commit(onExchanged: () => void): Promise<void> {
    const { engine } = this.context
    this.assertOpen()
    if (!this.clone.isDone) throw new FsError('EINVAL', 'The folder is not copied yet')
    await closedArePublished(this.context)
    await this.publishCopy()
    await this.flushFolder()
    while (!engine.hasRoom) await engine.room()
    engine.health.assertWritable()
    this.exchange()
    onExchanged()
  }

  /** Has the kernel forget the names that lead elsewhere now; all of them, or those of the copy alone. */
  async forgetNames(which: 'all' | 'copy'): Promise<void> {
    const { kernel, log } = this.context
    const names: Place[] = [
      { parent: this.clone.hidden, name: TREE_NAME },
      { parent: this.folder, name: this.secret },
    ]
    if (which === 'all') names.unshift(this.place)
    for (const { parent, name } of names) {
      await kernel.dropName(parent, name).catch((error: unknown) => {
        log.error({ parent, err: error }, 'the kernel may still show a folder that was replaced')
      })
    }
  }

  private assertOpen(): void {
    if (this.isOver) throw new FsError('EINVAL', 'The transaction is over')
  }

  /** Step 1. */
  private async publishCopy(): Promise<void> {
    const { engine, files, kernel } = this.context
    const suspects = new Set([...this.lostWrites.keys(), ...files.unsettled()])
    if (suspects.size === 0) return
    const members = await membersOf(this.context, this.clone.root, suspects)
    for (const ino of members) {
      const lost = this.lostWrites.get(ino)
      if (lost !== undefined) throw lost
    }
    for (const ino of members) {
      const file = files.find(ino)
      if (file === undefined) continue
      if (files.writerCount(file) > 0) await kernel.invalidate(ino)
      for (const staged of files.stagedOf(file)) await publish(engine, staged, { soon: false })
      files.settle(file)
    }
    for (const ino of members) {
      const lost = this.lostWrites.get(ino)
      if (lost !== undefined) throw lost
    }
  }

  /** Step 2. */
  private async flushFolder(): Promise<void> {
    const { files, kernel } = this.context
    for (const ino of files.unsettled()) {
      if (this.clone.sources.has(ino)) await kernel.invalidate(ino)
    }
  }

  /** Step 3. */
  private exchange(): void {
    const { engine } = this.context
    const { hidden, root } = this.clone
    const { parent, name } = this.place
    this.assertOpen()
    this.assertFresh()
    const entry = this.direntOf(parent, name, this.folder)
    const copy = this.direntOf(hidden, TREE_NAME, root)
    const now = engine.clock()
    const change = engine.begin()
    change.putDirent(parent, name, { ino: root, type: TYPE_DIRECTORY, cookie: entry.cookie })
    change.putDirent(hidden, TREE_NAME, {
      ino: this.folder,
      type: TYPE_DIRECTORY,
      cookie: copy.cookie,
    })
    Object.assign(change.inode(root), { parent, ctimeNs: now })
    Object.assign(change.inode(this.folder), { parent: hidden, ctimeNs: now })
    touchDirectory(change.inode(parent), now)
    // Its own change is none that others have made.
    this.isOver = true
    engine.commit(change, true)
    this.context.files.touchName(parent, name)
  }

  /** Nothing was changed, and nothing is staged that would be lost. */
  private assertFresh(): void {
    const { engine, files } = this.context
    this.clone.assertUnchanged()
    for (const ino of files.unsettled()) {
      if (!this.clone.sources.has(ino) || files.stagedOf(files.file(ino)).length === 0) continue
      const kind = isAtomic(engine.inodes.get(ino)) ? 'atomic' : 'ordinary'
      throw new FsError('EBUSY', `Inode ${ino}, an ${kind} file of the folder, is being written to`)
    }
  }

  private direntOf(parent: Ino, name: string, ino: Ino): Dirent {
    const dirent = findDirent(this.context, parent, name)
    if (dirent?.ino === ino) return dirent
    throw new FsError('EBUSY', `"${name}" does not lead to inode ${ino} any more`)
  }
}

/** Those of some inodes that lie below a directory. */
async function membersOf(
  { engine }: FsContext,
  root: Ino,
  wanted: ReadonlySet<Ino>,
): Promise<ReadonlySet<Ino>> {
  const members = new Set<Ino>()
  const waiting = [root]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const [, body] of await engine.store.metadata.scan(direntGroup(at))) {
      const { ino, type } = decodeDirent(body)
      if (type === TYPE_DIRECTORY) waiting.push(ino)
      else if (wanted.has(ino)) members.add(ino)
    }
  }
  return members
}

/** A directory without a name is its own parent. */
const isHidden = ({ ino, parent }: Inode): boolean => ino === parent && ino !== ROOT_INO

/** Where a folder has its name. Throws FsError ENOTDIR, ENOENT, or EINVAL for one without a name. */
export async function placeOf({ engine }: FsContext, folder: Ino): Promise<Place> {
  const inode = engine.inodes.get(folder)
  if (!isDirectory(inode)) throw new FsError('ENOTDIR', `Inode ${folder} is not a directory`)
  if (inode.nlink === 0) throw new FsError('ENOENT', `Directory ${folder} was removed`)
  const { parent } = inode
  if (folder === ROOT_INO) throw new FsError('EINVAL', 'The root of a mount cannot be replaced')
  if (isHidden(engine.inodes.get(parent))) {
    throw new FsError('EINVAL', 'The copy of a folder cannot be replaced')
  }
  const prefix = direntGroup(parent)
  for (const [key, body] of await engine.store.metadata.scan(prefix)) {
    if (decodeDirent(body).ino === folder) return { parent, name: key.slice(prefix.length) }
  }
  throw new FsError('ENOENT', `Directory ${folder} has no name`)
}
