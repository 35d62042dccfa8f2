/** A set of bytes of a file, as ranges that neither touch nor overlap, in order. */
import { BLOCK_SIZE } from '../device/device.ts'

/** Ranges that are told apart; beyond it near ones become one, in steps of these many bytes. */
const RANGES_MAX = 16_384
const COARSE_BYTES = 1024 * 1024

export interface ByteRange {
  readonly from: number
  readonly to: number
}

/**
 * Of very many small ranges it remembers more than was added: a superset, whole mebibytes then. Who
 * asks for overlaps must be served by that.
 */
export class ByteRanges {
  /** `from` and `to` of each range, one behind the other. */
  private readonly starts: number[] = []
  private readonly ends: number[] = []
  private isCoarse = false

  get isEmpty(): boolean {
    return this.starts.length === 0
  }

  add(from: number, to: number): void {
    if (to <= from) return
    if (this.isCoarse) this.insert(roundDown(from), roundUp(to))
    else this.insert(from, to)
    if (this.starts.length > RANGES_MAX && !this.isCoarse) this.coarsen()
  }

  remove(from: number, to: number): void {
    if (this.isCoarse) this.cut(roundUp(from), roundDown(to))
    else this.cut(from, to)
  }

  addAll(other: ByteRanges): void {
    for (const { from, to } of other.all()) this.add(from, to)
  }

  *all(): Generator<ByteRange, void> {
    for (const [i, from] of this.starts.entries()) yield { from, to: this.ends[i] ?? from }
  }

  /** What of a stretch belongs to the set, in order. */
  *within(from: number, to: number): Generator<ByteRange, void> {
    for (let i = this.firstEndingBehind(from); i < this.starts.length; i++) {
      const start = this.starts[i] ?? to
      if (start >= to) return
      yield { from: Math.max(start, from), to: Math.min(this.ends[i] ?? to, to) }
    }
  }

  overlaps(from: number, to: number): boolean {
    const start = this.starts[this.firstEndingBehind(from)]
    return start !== undefined && start < to && from < to
  }

  overlapsAny(other: ByteRanges): boolean {
    const [few, many] = this.starts.length <= other.starts.length ? [this, other] : [other, this]
    for (const { from, to } of few.all()) if (many.overlaps(from, to)) return true
    return false
  }

  /** Numbers of the blocks that have a byte in the set, in order, each once. */
  *blocks(): Generator<number, void> {
    let next = 0
    for (const { from, to } of this.all()) {
      const end = Math.ceil(to / BLOCK_SIZE)
      for (next = Math.max(next, Math.floor(from / BLOCK_SIZE)); next < end; next++) yield next
    }
  }

  copy(): ByteRanges {
    const copied = new ByteRanges()
    copied.addAll(this)
    return copied
  }

  private insert(from: number, to: number): void {
    // All that it touches becomes part of it.
    const first = this.firstEndingBehind(from - 1)
    let end = first
    while (end < this.starts.length && (this.starts[end] ?? Infinity) <= to) end++
    const start = first < end ? Math.min(from, this.starts[first] ?? from) : from
    const stop = first < end ? Math.max(to, this.ends[end - 1] ?? to) : to
    this.starts.splice(first, end - first, start)
    this.ends.splice(first, end - first, stop)
  }

  private cut(from: number, to: number): void {
    if (to <= from) return
    const first = this.firstEndingBehind(from)
    let end = first
    while (end < this.starts.length && (this.starts[end] ?? Infinity) < to) end++
    if (end === first) return
    const start = this.starts[first] ?? from
    const stop = this.ends[end - 1] ?? to
    const left = [
      ...(start < from ? [{ from: start, to: from }] : []),
      ...(stop > to ? [{ from: to, to: stop }] : []),
    ]
    this.starts.splice(first, end - first, ...left.map((range) => range.from))
    this.ends.splice(first, end - first, ...left.map((range) => range.to))
  }

  /** Index of the first range that ends behind an offset. */
  private firstEndingBehind(offset: number): number {
    let low = 0
    let high = this.ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.ends[middle] ?? 0) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  private coarsen(): void {
    const all = [...this.all()]
    this.isCoarse = true
    this.starts.length = 0
    this.ends.length = 0
    for (const { from, to } of all) this.insert(roundDown(from), roundUp(to))
  }
}

const roundDown = (offset: number): number => offset - (offset % COARSE_BYTES)
const roundUp = (offset: number): number => Math.ceil(offset / COARSE_BYTES) * COARSE_BYTES
