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

/** There is always a next epoch. */
const EPOCH_MAX = 0xffff_fffe
const BLOCK_COUNT_MAX = 2 ** 32

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

/** Throws FsError EIO for what a program could not go on from. */
export function decodeMarker(body: Uint8Array): Marker {
  const input = new ByteReader(body)
  return {
    commitSeq: input.counter('the last commit'),
    ringPosition: input.counter('the position in the ring'),
    epoch: input.bounded('u32', EPOCH_MAX, 'the epoch'),
    blockCount: input.bounded('u64', BLOCK_COUNT_MAX, 'the block count'),
    freeCount: input.bounded('u64', BLOCK_COUNT_MAX, 'the free count'),
    nextIno: input.counter('the next inode'),
    clean: input.u8() === 1,
  }
}
