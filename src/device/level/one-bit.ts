/**
 * Finds the bit that was turned, if it was one. CRC-32C tells all damage of one bit apart up to far
 * more bytes than any block here has, so there is one right answer at most; other damage passes for
 * one bit with a probability of `bits / 2^32`, so what comes of it must be checked in another way.
 */

/** The block with one bit turned back so that `isRight`, or undefined if there is no such bit. */
export function withOneBitTurned(
  block: Uint8Array,
  isRight: (candidate: Buffer) => boolean,
): Buffer | undefined {
  const candidate = Buffer.from(block)
  for (let bit = 0; bit < block.length * 8; bit++) {
    const at = bit >>> 3
    const mask = 1 << (bit & 7)
    candidate[at] = (candidate[at] ?? 0) ^ mask
    if (isRight(candidate)) return candidate
    candidate[at] = (candidate[at] ?? 0) ^ mask
  }
  return undefined
}
