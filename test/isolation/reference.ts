/**
 * One isolated file as a list of its published contents, and what handles see of it. Deliberately
 * simple: contents are kept whole, and what was written is a list that is searched from end to end.
 */
export type ByteSpan = readonly [from: number, to: number]

interface PublishedContent {
  readonly content: Buffer
  /** What led to it from the one before. */
  readonly written: readonly ByteSpan[]
  readonly isResized: boolean
}

export class ReferenceFile {
  private readonly published: PublishedContent[]

  constructor(content: Buffer) {
    this.published = [{ content, written: [], isResized: false }]
  }

  get count(): number {
    return this.published.length
  }

  content(index: number): Buffer {
    return this.published[index]?.content ?? Buffer.alloc(0)
  }

  get newest(): Buffer {
    return this.content(this.count - 1)
  }

  /** Publishes that came after one. */
  since(index: number): readonly PublishedContent[] {
    return this.published.slice(index + 1)
  }

  add(published: PublishedContent): void {
    this.published.push(published)
  }
}

export class ReferenceHandle {
  private readonly file: ReferenceFile
  private base: number
  private content: Buffer | undefined
  private written: ByteSpan[] = []
  private isCut = false

  constructor(file: ReferenceFile) {
    this.file = file
    this.base = file.count - 1
  }

  get isStaged(): boolean {
    return this.content !== undefined
  }

  get seen(): Buffer {
    return this.content ?? this.file.content(this.base)
  }

  write(at: number, data: Uint8Array): void {
    this.stage(Math.max(this.seen.length, at + data.length)).set(data, at)
    this.written.push([at, at + data.length])
  }

  truncate(size: number): void {
    const before = this.seen.length
    this.stage(size)
    if (size >= before) return
    this.written.push([size, before])
    this.isCut = true
  }

  /** What reads as zeros from then on. */
  zero(from: number, to: number): void {
    const end = Math.min(to, this.seen.length)
    const content = this.stage(this.seen.length)
    if (from >= end) return
    content.fill(0, from, end)
    this.written.push([from, end])
  }

  /** Makes sure of space, which changes no content but may change the size. */
  grow(size: number): void {
    this.stage(Math.max(size, this.seen.length))
  }

  discard(): void {
    this.content = undefined
    this.written = []
    this.isCut = false
    this.base = this.file.count - 1
  }

  /** Returns whether it was published; if not, nothing has changed. */
  publish(): boolean {
    const { content } = this
    if (content !== undefined) {
      if (this.isRefused(content)) return false
      this.file.add(this.merge(content))
    }
    this.discard()
    return true
  }

  private isRefused(content: Buffer): boolean {
    const isResized = this.isResized(content)
    return this.file
      .since(this.base)
      .some(
        (other) =>
          (isResized && other.isResized) ||
          other.written.some(([from, to]) => this.written.some(([a, b]) => a < to && from < b)),
      )
  }

  private isResized(content: Buffer): boolean {
    return this.isCut || content.length !== this.file.content(this.base).length
  }

  private merge(content: Buffer): PublishedContent {
    const { newest } = this.file
    const size = this.isResized(content) ? content.length : newest.length
    const merged = Buffer.alloc(size)
    newest.copy(merged)
    for (const [from, to] of this.written) content.subarray(from, to).copy(merged, from)
    const isResized = this.isCut || size !== newest.length
    return { content: merged, written: this.written, isResized }
  }

  private stage(size: number): Buffer {
    const staged = Buffer.alloc(size)
    this.seen.copy(staged)
    this.content = staged
    return staged
  }
}
