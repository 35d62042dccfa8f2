/** A growing set of block numbers, 32 to a word, that finds runs of absent ones by next fit. */

/** Blocks whose bits are one value in the index: 4 KiB of bitmap. */
export const GROUP_BLOCKS = 32_768

const WORD_BITS = 32
const GROUP_WORDS = GROUP_BLOCKS / WORD_BITS
const FULL = 0xffff_ffff

export class Bitmap {
  bitCount: number
  setCount = 0
  private words: Uint32Array

  constructor(bitCount: number) {
    this.bitCount = bitCount
    this.words = new Uint32Array(Math.ceil(bitCount / GROUP_BLOCKS) * GROUP_WORDS)
  }

  /** Makes room for more; new ones are absent. */
  resize(bitCount: number): void {
    this.bitCount = Math.max(this.bitCount, bitCount)
    const wordCount = Math.ceil(this.bitCount / GROUP_BLOCKS) * GROUP_WORDS
    if (wordCount <= this.words.length) return
    const grown = new Uint32Array(wordCount)
    grown.set(this.words)
    this.words = grown
  }

  has(bit: number): boolean {
    return (((this.words[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1
  }

  set(bit: number): void {
    if (this.has(bit)) return
    this.words[bit >>> 5] = (this.words[bit >>> 5] ?? 0) | (1 << (bit & 31))
    this.setCount++
  }

  clear(bit: number): void {
    if (!this.has(bit)) return
    this.words[bit >>> 5] = (this.words[bit >>> 5] ?? 0) & ~(1 << (bit & 31))
    this.setCount--
  }

  setRun(start: number, count: number): void {
    for (let bit = start; bit < start + count; bit++) this.set(bit)
  }

  clearRun(start: number, count: number): void {
    for (let bit = start; bit < start + count; bit++) this.clear(bit)
  }

  /** The first run of absent bits from `from` on, going round; at most `countMax` long. */
  findRun(from: number, countMax: number): { start: number; count: number } | undefined {
    const start = this.findAbsent(from, this.bitCount) ?? this.findAbsent(0, from)
    if (start === undefined) return undefined
    let count = 1
    const end = Math.min(this.bitCount, start + countMax)
    while (start + count < end && !this.has(start + count)) count++
    return { start, count }
  }

  /** A copy of a group's bits, as bytes. */
  group(groupIndex: number): Uint8Array {
    const bytes = Buffer.alloc(GROUP_BLOCKS / 8)
    for (let i = 0; i < GROUP_WORDS; i++) {
      bytes.writeUInt32LE(this.words[groupIndex * GROUP_WORDS + i] ?? 0, i * 4)
    }
    return bytes
  }

  loadGroup(groupIndex: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let i = 0; i < GROUP_WORDS; i++) {
      const at = groupIndex * GROUP_WORDS + i
      const before = this.words[at] ?? 0
      const word = view.getUint32(i * 4, true)
      this.words[at] = word
      this.setCount += popCount(word) - popCount(before)
    }
  }

  private findAbsent(from: number, to: number): number | undefined {
    let bit = from
    while (bit < to) {
      const word = (this.words[bit >>> 5] ?? 0) >>> 0
      if ((bit & 31) === 0 && word === FULL) {
        bit += WORD_BITS
        continue
      }
      if (!this.has(bit)) return bit
      bit++
    }
    return undefined
  }
}

function popCount(word: number): number {
  let v = word - ((word >>> 1) & 0x5555_5555)
  v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333)
  return (((v + (v >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24
}
