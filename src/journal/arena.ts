/**
 * Page-aligned memory in which records wait for the disk, one behind the other. Two halves: while
 * one is being written, new records go to the other.
 */
import { BLOCK_SIZE } from '../device/device.ts'
import { allocateAligned } from '../device/aligned-memory.ts'

/** A stretch of records that are consecutive in memory and on the ring. */
export interface Segment {
  /** Block of the ring. */
  readonly ringBlock: number
  data: Uint8Array
}

export class Arena {
  private readonly halves: [Buffer, Buffer]
  private current: 0 | 1 = 0
  private offset = 0
  private segments: Segment[] = []

  constructor(sizeBytes: number) {
    this.halves = [allocateAligned(sizeBytes), allocateAligned(sizeBytes)]
  }

  get isEmpty(): boolean {
    return this.segments.length === 0
  }

  fits(blockCount: number): boolean {
    return this.offset + blockCount * BLOCK_SIZE <= this.halves[0].length
  }

  /** Room for a record that will be written at `ringBlock`. Requires: it fits. */
  take(ringBlock: number, blockCount: number): Buffer {
    const half = this.halves[this.current]
    const size = blockCount * BLOCK_SIZE
    const room = half.subarray(this.offset, this.offset + size)
    const last = this.segments.at(-1)
    if (last !== undefined && last.ringBlock + last.data.length / BLOCK_SIZE === ringBlock) {
      last.data = half.subarray(this.offset - last.data.length, this.offset + size)
    } else {
      this.segments.push({ ringBlock, data: room })
    }
    this.offset += size
    return room
  }

  /** Takes what waits, for a write that is over when it returns; the memory is used again at once. */
  drain(): Segment[] {
    const segments = this.segments
    this.segments = []
    this.offset = 0
    return segments
  }

  /** The same for a write that takes its time. Requires: no other such write is under way. */
  swap(): Segment[] {
    const segments = this.drain()
    this.current = this.current === 0 ? 1 : 0
    return segments
  }
}
