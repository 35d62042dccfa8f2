/**
 * Memory for staged pages, several cut from one piece: an allocation for each page costs more than
 * filling it does, and keeps the garbage collector busy. A piece goes with the last of its pages. Those
 * of one piece are staged one after the other, and go home with the same checkpoint or nearly so.
 */
import { BLOCK_SIZE } from '../device/device.ts'

const PAGES_PER_PIECE = 16

export class PageMemory {
  private piece = Buffer.alloc(0)
  private used = 0

  /** A page with anything in it. */
  take(): Buffer {
    if (this.used === this.piece.length) {
      this.piece = Buffer.allocUnsafeSlow(PAGES_PER_PIECE * BLOCK_SIZE)
      this.used = 0
    }
    this.used += BLOCK_SIZE
    return this.piece.subarray(this.used - BLOCK_SIZE, this.used)
  }
}
