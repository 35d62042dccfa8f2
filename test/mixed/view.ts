/**
 * A file as a list of all contents that were ever published, and views of it: one for all who share it,
 * or one for each handle of an isolated one. Contents are kept whole, and so is each savepoint. Written
 * after docs/semantics.md; knows nothing of how any of it is done.
 */
import type { Mode, OnClose } from './steps.ts'

export type Span = readonly [from: number, to: number]

interface Published {
  readonly content: Buffer
  /** What led to it from the one before. */
  readonly written: readonly Span[]
  readonly isResized: boolean
}

/** What is staged. Never changed, but replaced. */
export interface Staged {
  readonly content: Buffer
  readonly written: readonly Span[]
  readonly isCut: boolean
}

/** A transaction that somebody has begun and nobody ended, with what was staged at each START. */
export interface Transaction {
  readonly savepoints: (Staged | undefined)[]
}

export class ModelFile {
  readonly published: Published[]
  mode: Mode = 'ordinary'
  onClose: OnClose = 'publish'
  group: string | undefined
  /** What all see of it who have no view of their own. */
  readonly shared: View
  /** Views that closed handles have left. */
  left: View[] = []
  /** Counts what may have changed its content. */
  changeCount = 0
  /** What an ordinary file may have after a crash, beside what is published. */
  loose: Buffer[] = []

  constructor(content: Buffer) {
    this.published = [{ content, written: [], isResized: false }]
    this.shared = new View(this, false)
  }

  get newest(): Buffer {
    return this.published.at(-1)?.content ?? Buffer.alloc(0)
  }

  get isAtomic(): boolean {
    return this.mode !== 'ordinary'
  }

  get isIsolated(): boolean {
    return this.mode === 'isolated'
  }

  replace(content: Buffer): void {
    this.published.push({ content, written: [], isResized: false })
    this.shared.staged = undefined
    this.changeCount++
  }
}

export class View {
  readonly file: ModelFile
  readonly isIsolated: boolean
  staged: Staged | undefined
  transaction: Transaction | undefined
  private base: number

  constructor(file: ModelFile, isIsolated: boolean) {
    this.file = file
    this.isIsolated = isIsolated
    this.base = isIsolated ? file.published.length - 1 : 0
  }

  get seen(): Buffer {
    return this.staged?.content ?? this.baseContent
  }

  private get baseContent(): Buffer {
    return (
      (this.isIsolated ? this.file.published[this.base]?.content : undefined) ?? this.file.newest
    )
  }

  write(at: number, data: Uint8Array): void {
    const content = this.copy(Math.max(this.seen.length, at + data.length))
    content.set(data, at)
    this.stage(content, [at, at + data.length])
  }

  truncate(size: number): void {
    const before = this.seen.length
    if (size < before) this.stage(this.copy(size), [size, before], true)
    else this.stage(this.copy(size))
  }

  zero(from: number, end: number): void {
    const to = Math.min(end, this.seen.length)
    const content = this.copy(this.seen.length)
    if (from < to) this.stage(content.fill(0, from, to), [from, to])
    else this.stage(content)
  }

  start(): Transaction {
    this.transaction ??= { savepoints: [] }
    this.transaction.savepoints.push(this.staged)
    return this.transaction
  }

  abort(): void {
    const { transaction } = this
    this.staged = transaction?.savepoints.pop()
    if (transaction?.savepoints.length === 0) this.transaction = undefined
    this.afterDrop()
  }

  abortAll(): void {
    while (this.transaction !== undefined) this.abort()
  }

  discard(): void {
    this.transaction = undefined
    this.staged = undefined
    this.afterDrop()
  }

  private afterDrop(): void {
    this.file.changeCount++
    if (this.staged === undefined) this.base = this.file.published.length - 1
  }

  /** Whether what is staged goes together with what others have published since the base. */
  get isMergeable(): boolean {
    const { staged } = this
    if (!this.isIsolated || staged === undefined) return true
    return !this.file.published
      .slice(this.base + 1)
      .some(
        (other) =>
          (other.isResized && this.isResized(staged)) ||
          other.written.some(([from, to]) => staged.written.some(([a, b]) => a < to && from < b)),
      )
  }

  /** Requires: it is mergeable. */
  publish(): void {
    const { staged, file } = this
    this.transaction = undefined
    if (staged !== undefined) {
      file.published.push(this.isIsolated ? this.merged(staged) : { ...staged, isResized: false })
      file.changeCount++
    }
    this.staged = undefined
    this.base = file.published.length - 1
  }

  private isResized({ isCut, content }: Staged): boolean {
    return isCut || content.length !== this.baseContent.length
  }

  private merged(staged: Staged): Published {
    const { newest } = this.file
    const size = this.isResized(staged) ? staged.content.length : newest.length
    const content = Buffer.alloc(size)
    newest.copy(content)
    for (const [from, to] of staged.written) staged.content.subarray(from, to).copy(content, from)
    return {
      content,
      written: staged.written,
      isResized: staged.isCut || size !== newest.length,
    }
  }

  private copy(size: number): Buffer {
    const copied = Buffer.alloc(size)
    this.seen.copy(copied)
    return copied
  }

  private stage(content: Buffer, written?: Span, isCut = false): void {
    const before = this.staged
    this.staged = {
      content,
      written: [...(before?.written ?? []), ...(written === undefined ? [] : [written])],
      isCut: isCut || (before?.isCut ?? false),
    }
    const { file } = this
    file.changeCount++
    if (!file.isAtomic && this.transaction === undefined) file.loose.push(content)
  }
}
