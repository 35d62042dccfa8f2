/**
 * The entries of a directory in the order of their offsets, packed: a folder may have millions, and
 * an object with a string for each would take four times as much.
 */
import { decodeDirent } from '../store/inode.ts'
import type { DirectoryEntry, Ino } from './operations.ts'

const NAME_BYTES_AT_FIRST = 4096
const COUNT_AT_FIRST = 64

/** How many places for each entry an array may have in which they are sorted. */
const SPARSENESS_MAX = 8

export class Listing {
  private names = Buffer.allocUnsafeSlow(NAME_BYTES_AT_FIRST)
  /** Where the name of each ends, and the next one's begins. */
  private nameEnds = new Uint32Array(COUNT_AT_FIRST)
  private inos = new Float64Array(COUNT_AT_FIRST)
  private offsets = new Float64Array(COUNT_AT_FIRST)
  private types = new Uint16Array(COUNT_AT_FIRST)
  /** Which entry stands at each place of the listing; undefined if they came in that order. */
  private order: Uint32Array | undefined
  private isInOrder = true
  private lastOffset = 0
  count = 0

  add(name: string, ino: Ino, type: number, nextOffset: number): void {
    const index = this.count++
    if (index === this.inos.length) this.grow()
    const start = this.nameStart(index)
    const end = start + name.length
    if (end > this.names.length) this.growNames(end)
    this.names.write(name, start, 'latin1')
    this.nameEnds[index] = end
    this.inos[index] = ino
    this.types[index] = type
    this.offsets[index] = nextOffset
    if (nextOffset <= this.lastOffset) this.isInOrder = false
    else this.lastOffset = nextOffset
  }

  /** Adds what a name leads to, as it stands in the index. Throws FsError EIO. */
  addDirent(name: string, body: Uint8Array): void {
    const { ino, type, cookie } = decodeDirent(body)
    this.add(name, ino, type, cookie)
  }

  /** All have been added. */
  finish(): this {
    if (!this.isInOrder) this.order = this.byCounting() ?? this.byComparing()
    return this
  }

  /** The entry at a place. Requires: `place < count`. */
  entry(place: number): DirectoryEntry {
    const index = this.indexOf(place)
    return {
      name: this.names.toString('latin1', this.nameStart(index), this.nameEnds[index]),
      ino: this.inos[index] ?? 0,
      type: this.types[index] ?? 0,
      nextOffset: this.offsets[index] ?? 0,
    }
  }

  /** Place of the first entry behind an offset. */
  firstBehind(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.offsets[this.indexOf(middle)] ?? Infinity) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  private indexOf(place: number): number {
    return this.order === undefined ? place : (this.order[place] ?? 0)
  }

  private nameStart(index: number): number {
    return index === 0 ? 0 : (this.nameEnds[index - 1] ?? 0)
  }

  /**
   * Offsets are counted up, so mostly each has a place of its own in an array that is not much longer,
   * and a million of them need no comparing, for which everybody would wait. Undefined where that is
   * not so, or two have the same, as in a damaged directory.
   */
  private byCounting(): Uint32Array | undefined {
    if (this.lastOffset > SPARSENESS_MAX * this.count) return undefined
    const places = new Uint32Array(this.lastOffset + 1)
    for (let index = 0; index < this.count; index++) {
      const offset = this.offsets[index] ?? 0
      if (places[offset] !== 0) return undefined
      places[offset] = index + 1
    }
    const order = new Uint32Array(this.count)
    let place = 0
    for (const index of places) if (index !== 0) order[place++] = index - 1
    return order
  }

  private byComparing(): Uint32Array {
    const { offsets } = this
    const order = Uint32Array.from({ length: this.count }, (_, index) => index)
    return order.toSorted((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0) || a - b)
  }

  private grow(): void {
    const length = this.inos.length * 2
    this.nameEnds = grown(this.nameEnds, new Uint32Array(length))
    this.inos = grown(this.inos, new Float64Array(length))
    this.offsets = grown(this.offsets, new Float64Array(length))
    this.types = grown(this.types, new Uint16Array(length))
  }

  private growNames(needed: number): void {
    const length = Math.max(needed, this.names.length * 2)
    this.names = grown(this.names, Buffer.allocUnsafeSlow(length))
  }
}

function grown<Target extends { set(values: ArrayLike<number>): void }>(
  old: ArrayLike<number>,
  target: Target,
): Target {
  target.set(old)
  return target
}
