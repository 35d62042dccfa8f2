/**
 * What docs/semantics.md promises of two files, three processes and their handles. Each method does a step
 * and returns what a program may be answered.
 */
import type { End, Ioctl, Mode, OnClose } from './steps.ts'
import { ModelFile, type Transaction, View } from './view.ts'

/** 'ok', or names of errors; several where more than one thing is wrong. */
export type Answers = readonly string[]

export const OK: Answers = ['ok']

export interface Access {
  readonly reads: boolean
  readonly writes: boolean
  readonly appends: boolean
  readonly syncs: boolean
}

export interface ModelHandle {
  readonly file: ModelFile
  readonly view: View
  readonly access: Access
  readonly process: number
  /** Processes that have opened it or written through it. */
  readonly users: Set<number>
  /** What was begun through it and not ended through it. */
  transaction: Transaction | undefined
}

interface FileThen {
  readonly content: Buffer
  readonly mode: Mode
  readonly onClose: OnClose
  readonly group: string | undefined
}

/** What is published of all files at once. */
type Moment = readonly FileThen[]

export class Model {
  readonly files: readonly ModelFile[]
  readonly handles = new Set<ModelHandle>()
  /** Everything that was ever published, in order; each is what a crash may leave. */
  readonly moments: Moment[] = []
  /** The first that a power cut may leave now. */
  durable = 0

  constructor(files: readonly ModelFile[]) {
    this.files = files
    this.note()
    this.makeDurable()
  }

  get latest(): number {
    return this.moments.length - 1
  }

  open(file: ModelFile, process: number, access: Access): ModelHandle {
    const view = file.isIsolated ? new View(file, true) : file.shared
    const users = new Set([process])
    const handle = { file, view, access, process, users, transaction: undefined }
    this.handles.add(handle)
    return handle
  }

  handlesOf(file: ModelFile): ModelHandle[] {
    return [...this.handles].filter((handle) => handle.file === file)
  }

  /** One descriptor is closed, not the last one. */
  flush({ file, view, access }: ModelHandle, end: End): Answers {
    if (!access.writes) return OK
    if (!file.isAtomic) this.publish(view)
    if (!view.isIsolated || end === 'dies' || file.onClose !== 'publish') return OK
    if (view.isMergeable) return OK
    return view.transaction === undefined ? ['EBUSY'] : ['EBUSY', 'ok']
  }

  close(handle: ModelHandle, end: End): Answers {
    const { file, view, access } = handle
    this.abandon(handle)
    this.handles.delete(handle)
    if (!access.writes) return OK
    if (view.isIsolated) return this.closeIsolated(handle, end)
    if (!file.isAtomic) this.publish(view)
    else if (!this.handlesOf(file).some((other) => other.access.writes)) this.letGo(view, end)
    return OK
  }

  private closeIsolated({ file, view }: ModelHandle, end: End): Answers {
    if (end === 'dies' || file.onClose === 'discard') view.discard()
    else if (file.onClose === 'keep' && view.staged !== undefined) file.left.push(view)
    else if (file.onClose === 'publish') {
      if (!view.isMergeable) return ['EBUSY']
      this.publish(view)
    }
    return OK
  }

  /** The last writer of an atomic file is gone. */
  private letGo(view: View, end: End): void {
    if (view.staged === undefined) return
    const { onClose } = view.file
    if (end === 'dies' || onClose === 'discard') view.discard()
    else if (onClose === 'publish') this.publishGroup(view)
  }

  private abandon(handle: ModelHandle): void {
    const { view, transaction } = handle
    if (transaction !== undefined && view.transaction === transaction) view.abortAll()
    handle.transaction = undefined
  }

  truncateByName(file: ModelFile, size: number): void {
    if (file.isIsolated) {
      const handle = this.open(file, -1, {
        reads: true,
        writes: true,
        appends: false,
        syncs: false,
      })
      handle.view.truncate(size)
      this.close(handle, 'closes')
      return
    }
    const { shared } = file
    if (size === shared.seen.length) return
    shared.truncate(size)
    if (this.handlesOf(file).some(({ access }) => access.writes)) return
    if (file.isAtomic) this.letGo(shared, 'closes')
    else this.publish(shared)
  }

  /** Also what a write through O_DSYNC does in the end. */
  fsync({ view, access }: ModelHandle): Answers {
    if (view.transaction === undefined && (access.writes || !view.isIsolated)) {
      if (!view.isMergeable) return ['EBUSY']
      this.publishGroup(view)
    }
    this.makeDurable()
    return OK
  }

  setMode(file: ModelFile, mode: Mode): Answers {
    if (mode === file.mode) return OK
    const changesIsolation = file.isIsolated || mode === 'isolated'
    if (changesIsolation && (this.handlesOf(file).length > 0 || file.left.length > 0)) {
      return ['EBUSY']
    }
    for (const view of this.withGroup(file.shared))
      if (view.transaction === undefined) view.publish()
    file.mode = mode
    file.loose = []
    this.note()
    return OK
  }

  setOnClose(file: ModelFile, onClose: OnClose): Answers {
    file.onClose = onClose
    this.note()
    return OK
  }

  setGroup(file: ModelFile, group: string | undefined): Answers {
    if (group === undefined && file.group === undefined) return ['ENODATA']
    if (group !== undefined && file.shared.transaction !== undefined) return ['EBUSY']
    file.group = group
    this.note()
    return OK
  }

  /** By `user.atomic.commit` of the file. */
  commit(file: ModelFile, process: number): Answers {
    const meant = this.meant(file, process)
    if (meant === undefined) return ['EINVAL']
    for (const view of meant) {
      if (view.transaction !== undefined) return ['EBUSY']
      if (!view.isMergeable) return ['EBUSY']
      this.publishGroup(view)
    }
    this.dropSettled(file)
    if (meant.length > 0) this.makeDurable()
    return OK
  }

  rollback(file: ModelFile, process: number): Answers {
    const meant = this.meant(file, process)
    if (meant === undefined) return ['EINVAL']
    for (const view of meant) view.discard()
    this.dropSettled(file)
    return OK
  }

  /** By `user.atomic.commit` of the folder. */
  commitFiles(files: readonly ModelFile[], process: number): Answers {
    const all = files.map((file) => {
      const meant = this.meant(file, process)
      // What several closed handles have left has no order here.
      if (meant === undefined || !file.isIsolated) return meant
      const staged = meant.filter((view) => view.staged !== undefined)
      return staged.length > 1 ? undefined : staged
    })
    if (all.includes(undefined)) return ['EINVAL']
    const views = all.flatMap((meant) => meant ?? [])
    const isFree = views.every((view) => view.transaction === undefined && view.isMergeable)
    if (!isFree) return ['EBUSY']
    for (const view of new Set(views.flatMap((each) => this.withGroup(each)))) view.publish()
    this.note()
    for (const file of files) this.dropSettled(file)
    this.makeDurable()
    return OK
  }

  ioctl(handle: ModelHandle, call: Ioctl): Answers {
    const { view, file, access } = handle
    if (!access.writes) return ['EBADF']
    const begins = call === 'START' || call === 'REPLACE'
    const isOthers = view.transaction !== undefined && view.transaction !== handle.transaction
    if (begins && file.group !== undefined) return isOthers ? ['EINVAL', 'EBUSY'] : ['EINVAL']
    if (isOthers) return ['EBUSY']
    const isCanceled = handle.transaction !== undefined && view.transaction === undefined
    if (begins) {
      if (!file.isAtomic && view.transaction === undefined) this.publish(view)
      handle.transaction = view.start()
      if (call === 'REPLACE') view.truncate(0)
    } else if (call === 'ABORT') {
      if (view.transaction !== undefined) view.abort()
      if (view.transaction === undefined) handle.transaction = undefined
    } else if (isCanceled) {
      handle.transaction = undefined
      return ['ECANCELED']
    } else {
      if (!view.isMergeable) return ['EBUSY']
      this.publishGroup(view)
      handle.transaction = undefined
      this.makeDurable()
    }
    return OK
  }

  writeBack(): void {
    for (const file of this.allFiles()) {
      if (!file.isAtomic && file.shared.transaction === undefined) this.publish(file.shared)
    }
  }

  /** The daemon ends, and whoever had anything open with it. */
  unmount(): void {
    for (const file of this.files) {
      file.shared.abortAll()
      if (!file.isAtomic) file.shared.publish()
    }
    this.note()
    this.restart(
      this.latest,
      this.files.map((file) => file.newest),
      true,
    )
  }

  /** The next daemon finds a moment, with these contents; unless that is durable, it may be lost yet. */
  restart(found: number, contents: readonly Buffer[], isDurable: boolean): void {
    const moment = this.moments[found] ?? []
    for (const [i, file] of this.files.entries()) {
      const then = moment[i]
      const content = contents[i]
      if (then === undefined || content === undefined) continue
      file.mode = then.mode
      file.onClose = then.onClose
      file.group = then.group
      file.shared.discard()
      file.left = []
      file.replace(content)
    }
    this.handles.clear()
    this.note()
    if (isDurable) this.makeDurable()
  }

  /** What a process means that names a file: undefined if that is not clear. */
  meant(file: ModelFile, process: number): readonly View[] | undefined {
    if (!file.isIsolated) return [file.shared]
    const own = this.ownViews(file, process)
    const views = own.length > 0 ? own : file.left
    const staged = views.filter((view) => view.staged !== undefined)
    if (own.length > 0 && staged.length > 1) return undefined
    return staged.length > 0 ? staged : [...views]
  }

  /** What stat(2) shows a process; undefined if it has staged several. */
  sizeFor(file: ModelFile, process: number): number | undefined {
    if (!file.isIsolated) return file.shared.seen.length
    const staged = this.ownViews(file, process).flatMap((view) => view.staged ?? [])
    return staged.length > 1 ? undefined : (staged[0]?.content.length ?? file.newest.length)
  }

  private ownViews(file: ModelFile, process: number): View[] {
    return this.handlesOf(file)
      .filter(({ access, users }) => access.writes && users.has(process))
      .map(({ view }) => view)
  }

  /** A view and those that are published with it. */
  withGroup(view: View): View[] {
    const { file } = view
    if (file.mode !== 'shared' || file.group === undefined) return [view]
    const others = this.files.filter(
      (other) => other !== file && other.mode === 'shared' && other.group === file.group,
    )
    return [view, ...others.map(({ shared }) => shared)]
  }

  private publishGroup(view: View): void {
    for (const each of this.withGroup(view)) each.publish()
    this.note()
  }

  publish(view: View): void {
    if (view.transaction !== undefined) return
    view.publish()
    this.note()
  }

  private dropSettled(file: ModelFile): void {
    file.left = file.left.filter((view) => view.staged !== undefined)
  }

  private allFiles(): Set<ModelFile> {
    return new Set([...this.files, ...[...this.handles].map(({ file }) => file)])
  }

  /** Remembers what is published by now. */
  note(): void {
    this.moments.push(
      this.files.map(({ newest, mode, onClose, group }) => ({
        content: newest,
        mode,
        onClose,
        group,
      })),
    )
  }

  makeDurable(): void {
    this.durable = this.latest
    for (const file of this.files) {
      const { staged, transaction } = file.shared
      if (staged === undefined || transaction !== undefined) file.loose = []
    }
  }
}
