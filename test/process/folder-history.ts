/**
 * The states that a power cut, or the death of the process, may leave of a folder whose calls were
 * recorded.
 *
 * Method "calls" models the host's filesystem, and trusts that the trace has all calls. It promises
 * no more than any filesystem must:
 *
 *   - what was written before an fsync or fdatasync that has returned is there, with the size; so is
 *     what a write with O_DSYNC has returned for;
 *   - names are durable once their folder was fsynced, and a rename is done or not;
 *   - a page of 4 KiB that was written since is there or not, by itself, torn at 512 bytes or zeros;
 *     the size may be that of any moment since, also before its data are there.
 *
 * The kinds differ in how names survive: on a journaled filesystem (ext4, XFS, btrfs) in the order of
 * the calls, whatever is missing is what came last. "unordered" has any of the volume's own names
 * without the others. LevelDB's stay in order: it removes an old manifest when it has renamed CURRENT
 * and not flushed that, so on a filesystem without a journal it can be left with neither.
 */
import type { Change, FileEvent, FileId } from './file-calls.ts'
import { SparseFile } from './sparse-file.ts'

export type ContentChange = Exclude<Change, { readonly type: 'names' | 'sync' }>
type WriteChange = Extract<Change, { readonly type: 'write' }>
export type NamesChange = Extract<Change, { readonly type: 'names' }>

/** A change that is not durable, and whether its call has returned. */
export interface Pending<Kind> {
  readonly change: Kind
  hasEnded: boolean
}

export interface FilePart {
  readonly durable: SparseFile
  pending: Pending<ContentChange>[]
}

export class FolderHistory {
  readonly files = new Map<FileId, FilePart>()
  readonly names: Map<string, FileId>
  readonly folders: ReadonlySet<FileId>
  pendingNames: Pending<NamesChange>[] = []
  markCount = 0
  /** What each fsync that has begun will make durable. */
  readonly #covered = new Map<Change, ReadonlySet<Change>>()

  constructor(names: ReadonlyMap<string, FileId>, folders: ReadonlySet<FileId>) {
    this.names = new Map(names)
    this.folders = folders
  }

  /** What is there, durably, from the start. */
  add(file: FileId, content: SparseFile): void {
    this.files.set(file, { durable: new SparseFile(content), pending: [] })
  }

  apply(event: FileEvent): void {
    if (event.type === 'mark') this.markCount++
    else if (event.type === 'begin') this.#begin(event.change)
    else this.#end(event.change)
  }

  part(file: FileId): FilePart {
    let part = this.files.get(file)
    if (part === undefined) {
      part = { durable: new SparseFile(), pending: [] }
      this.files.set(file, part)
    }
    return part
  }

  #begin(change: Change): void {
    if (change.type === 'names') this.pendingNames.push({ change, hasEnded: false })
    else if (change.type !== 'sync')
      this.part(change.file).pending.push({ change, hasEnded: false })
    else {
      const content = this.part(change.file).pending.filter(({ hasEnded }) => hasEnded)
      const covered = [...content, ...this.#namesIn(change.file)]
      this.#covered.set(change, new Set(covered.map((pending) => pending.change)))
    }
  }

  #end(change: Change): void {
    if (change.type === 'sync') {
      const covered = this.#covered.get(change) ?? new Set()
      this.#covered.delete(change)
      settleContent(this.part(change.file), covered)
      for (const pending of this.pendingNames) {
        if (covered.has(pending.change)) setNames(this.names, pending.change)
      }
      this.pendingNames = this.pendingNames.filter((pending) => !covered.has(pending.change))
      return
    }
    const all = change.type === 'names' ? this.pendingNames : this.part(change.file).pending
    for (const pending of all) if (pending.change === change) pending.hasEnded = true
    if (change.type === 'write' && change.isDurable) {
      settleContent(this.part(change.file), new Set([change]))
    }
  }

  /** Changes of names up to the last one in a folder: none that came before can be missing then. */
  #namesIn(folder: FileId): readonly Pending<NamesChange>[] {
    if (!this.folders.has(folder)) return []
    const now = withNames(
      this.names,
      this.pendingNames.map(({ change }) => change),
    )
    const path = [...now].find(([, file]) => file === folder)?.[0]
    const isIn = (name: string): boolean => name.slice(0, name.lastIndexOf('/')) === path
    const last = this.pendingNames.findLastIndex(
      ({ change, hasEnded }) => hasEnded && [...change.names.keys()].some(isIn),
    )
    return this.pendingNames.slice(0, last + 1)
  }
}

export function withNames(
  names: ReadonlyMap<string, FileId>,
  changes: readonly NamesChange[],
): Map<string, FileId> {
  const changed = new Map(names)
  for (const change of changes) setNames(changed, change)
  return changed
}

function setNames(names: Map<string, FileId>, change: NamesChange): void {
  for (const [name, file] of change.names) {
    if (file === undefined) names.delete(name)
    else names.set(name, file)
  }
}

/** Makes some of the pending changes durable. What older ones still pending would bring is outdated. */
function settleContent(part: FilePart, settled: ReadonlySet<Change>): void {
  const left: Pending<ContentChange>[] = []
  for (const pending of part.pending) {
    const { change } = pending
    if (!settled.has(change)) {
      left.push(pending)
      continue
    }
    applyContent(part.durable, change)
    if (change.type === 'write') for (const older of left) outdate(older, change)
  }
  part.pending = left
}

export function applyContent(file: SparseFile, change: ContentChange): void {
  if (change.type === 'write') file.write(change.offset, change.data)
  else if (change.type === 'resize') file.resize(change.size)
  else file.size = Math.max(file.size, change.size)
}

/** Bytes of an older write that a newer one has replaced must not come back. */
function outdate({ change }: Pending<ContentChange>, newer: WriteChange): void {
  if (change.type !== 'write') return
  const start = Math.max(change.offset, newer.offset)
  const end = Math.min(change.offset + change.data.length, newer.offset + newer.data.length)
  if (start >= end) return
  newer.data.copy(change.data, start - change.offset, start - newer.offset, end - newer.offset)
}
