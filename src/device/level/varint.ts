/** Numbers and strings as LevelDB stores them: seven bits in a byte, the lowest first. */
export class VarintReader {
  position = 0
  private readonly bytes: Buffer
  private readonly end: number

  constructor(bytes: Buffer, end = bytes.length) {
    this.bytes = bytes
    this.end = end
  }

  get isAtEnd(): boolean {
    return this.position >= this.end
  }

  /** Infinity where no whole number is left. */
  number(): number {
    let value = 0
    for (let scale = 1; this.position < this.end && scale < 2 ** 63; scale *= 128) {
      const byte = this.bytes[this.position++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    return Number.POSITIVE_INFINITY
  }

  /** Bytes behind their number; fewer where so many are not left. */
  string(): Buffer {
    const size = this.number()
    const start = this.position
    this.position = Math.min(this.end, start + size)
    return this.bytes.subarray(start, this.position)
  }
}
