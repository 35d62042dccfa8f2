/** The checkpoint marker: up to where the index holds what the ring says, and the counters. */
import { ByteReader, ByteWriter } from '../bytes.ts'

export interface Marker {
  /** Last commit sequence that the index contains. */
  readonly commitSeq: number
  /** Where the next record begins, in blocks since the volume was made. */
  readonly ringPosition: number
  /** Mount epoch; records of another one are not replayed. */
  readonly epoch: number
  /** Blocks of data that existed. */
  readonly blockCount: number
  /** Blocks that no file mapped. */
  readonly freeCount: number
  readonly nextIno: number
  /** Whether the volume was closed in order. */
  readonly clean: boolean
}

const SIZE = 45

export function encodeMarker(marker: Marker): Uint8Array {
  const out = new ByteWriter(Buffer.alloc(SIZE))
  out.u64(marker.commitSeq)
  out.u64(marker.ringPosition)
  out.u32(marker.epoch)
  out.u64(marker.blockCount)
  out.u64(marker.freeCount)
  out.u64(marker.nextIno)
  out.u8(marker.clean ? 1 : 0)
  return out.buffer
}

export function decodeMarker(body: Uint8Array): Marker {
  const input = new ByteReader(body)
  return {
    commitSeq: input.u64(),
    ringPosition: input.u64(),
    epoch: input.u32(),
    blockCount: input.u64(),
    freeCount: input.u64(),
    nextIno: input.u64(),
    clean: input.u8() === 1,
  }
}
