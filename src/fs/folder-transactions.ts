/** The folder transactions of a mount, by the handles that they belong to. */
import { FsError } from '../errors.ts'
import type { Ino } from '../store/inode.ts'
import type { Change } from '../txn/change.ts'
import type { FsContext } from './context.ts'
import { FolderTransaction, SECRET_PREFIX, placeOf } from './folder-transaction.ts'
import { findDirent } from './names.ts'
import type { Caller, FileHandle } from './operations.ts'
import { assertMutable } from './protection.ts'
import { TreeClone } from './tree-clone.ts'
import { TreeRemoval } from './tree-removal.ts'

export class FolderTransactions {
  private readonly byHandle = new Map<FileHandle, FolderTransaction>()
  /** What was in a folder that was just replaced, while the kernel may still lead changes there. */
  private readonly replaced = new Set<Ino>()

  get isAny(): boolean {
    return this.byHandle.size > 0
  }

  /** The hidden directory behind a secret name. */
  find(parent: Ino, name: string): Ino | undefined {
    if (!this.isAny || !name.startsWith(SECRET_PREFIX)) return undefined
    const found = this.all().find((each) => each.folder === parent && each.secret === name)
    return found?.clone.hidden
  }

  /** Whether a directory keeps its name until the transaction on it is over. */
  isPinned(ino: Ino): boolean {
    return (
      this.isAny && this.all().some(({ folder, clone }) => folder === ino || clone.root === ino)
    )
  }

  /** Whether one of two is a copy, and the other in the folder that is copied. */
  areApart(a: Ino, b: Ino): boolean {
    if (!this.isAny) return false
    return this.all().some(({ clone: { copies, sources } }) => {
      return (copies.has(a) && sources.has(b)) || (copies.has(b) && sources.has(a))
    })
  }

  /** Throws FsError ESTALE, at which Linux looks the path up again. */
  assertNotReplaced(ino: Ino): void {
    if (this.replaced.size === 0 || !this.replaced.has(ino)) return
    throw new FsError('ESTALE', `Inode ${ino} is of a folder that was replaced`)
  }

  /** The state has changed: whoever works on a copy of what was changed cannot commit any more. */
  note(change: Change): void {
    if (!this.isAny) return
    for (const { clone, isOver } of this.all()) {
      if (isOver) continue
      for (const ino of [...change.drafts.keys(), ...change.removed]) {
        if (clone.sources.has(ino) && !change.accessed.has(ino)) clone.changed ??= ino
      }
    }
  }

  /** A write was lost after the kernel had accepted it. */
  noteLostWrite(ino: Ino, error: FsError): void {
    for (const { lostWrites } of this.all()) if (!lostWrites.has(ino)) lostWrites.set(ino, error)
  }

  /** The transaction of a handle; begun on the folder if there is none. Throws FsError. */
  async open(
    context: FsContext,
    fh: FileHandle,
    folder: Ino,
    caller: Caller | undefined,
  ): Promise<FolderTransaction> {
    const known = this.byHandle.get(fh)
    if (known !== undefined) return known
    const { engine, files, doomed } = context
    engine.health.assertWritable()
    const place = await placeOf(context, folder)
    while (!engine.hasRoom) await engine.room()
    // All of that may have changed meanwhile.
    engine.health.assertWritable()
    if (this.byHandle.has(fh)) throw new FsError('EAGAIN', 'Another call has just begun it')
    files.directory(fh)
    if (findDirent(context, place.parent, place.name)?.ino !== folder) {
      throw new FsError('EBUSY', `Directory ${folder} has just been renamed`)
    }
    assertMutable(engine.inodes.get(place.parent))
    const clone = TreeClone.begin(context, folder, caller)
    const transaction = new FolderTransaction(context, folder, place, clone)
    this.byHandle.set(fh, transaction)
    doomed.add(clone.hidden)
    return transaction
  }

  /** Throws FsError EINVAL when there is none. */
  get(fh: FileHandle): FolderTransaction {
    const transaction = this.byHandle.get(fh)
    if (transaction !== undefined) return transaction
    throw new FsError('EINVAL', 'No transaction was begun by this handle')
  }

  /** Steps 1 to 5; however it ends, the transaction is over. */
  async commit(context: FsContext, fh: FileHandle): Promise<void> {
    const transaction = this.get(fh)
    const { sources } = transaction.clone
    try {
      await transaction.commit(() => {
        for (const ino of sources) this.replaced.add(ino)
        this.spoil(sources)
      })
    } catch (error) {
      this.end(context, fh)
      throw error
    }
    this.finish(context, fh, transaction)
    try {
      await context.engine.journal.flush() // 4.
    } finally {
      await transaction.forgetNames('all') // 5.
      for (const ino of sources) this.replaced.delete(ino)
    }
  }

  /** The handle is closed, or what was begun is to go; without a transaction nothing happens. */
  end(context: FsContext, fh: FileHandle): void {
    const transaction = this.byHandle.get(fh)
    if (transaction === undefined) return
    transaction.isOver = true
    this.finish(context, fh, transaction)
    void transaction.forgetNames('copy')
  }

  /** The mount ends. */
  endAll(context: FsContext): void {
    for (const fh of this.byHandle.keys()) this.end(context, fh)
  }

  private all(): FolderTransaction[] {
    return [...this.byHandle.values()]
  }

  /** Transactions on folders below one that was replaced have nothing left to replace. */
  private spoil(sources: ReadonlySet<Ino>): void {
    for (const { folder, clone, isOver } of this.all()) {
      if (!isOver && sources.has(folder)) clone.changed ??= folder
    }
  }

  private finish(context: FsContext, fh: FileHandle, { clone }: FolderTransaction): void {
    this.byHandle.delete(fh)
    context.reaper.addTree(new TreeRemoval(context, clone.hidden))
  }
}
