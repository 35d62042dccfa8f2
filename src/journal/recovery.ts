/**
 * Finds the commits that the ring holds beyond the last checkpoint, and replays them into memory.
 *
 * A record counts if it has the volume's mark, the marker's epoch, the expected sequence and
 * position, and all checksums. The first that does not ends the ring: it was torn by the crash, and
 * nothing behind it was acknowledged as durable. If it is a part of a larger commit, the ring ends
 * before that commit. Two findings contradict that and mean damage:
 *
 *   - a later valid record that was made when the missing one was already durable;
 *   - a record that was made after a checkpoint, or under an epoch, which the index does not know.
 *
 * Recovery only reads the ring, so it can crash and run again.
 */
import { BLOCK_SIZE, type Ring } from '../device/device.ts'
import type { Marker } from '../store/marker.ts'
import type { Op } from '../store/ops.ts'
import { type RingRecord, decodeRecord, peekRecord, recordBlocksMax } from './record.ts'

const SCAN_BLOCKS = 256

export interface Replayed {
  readonly recordCount: number
  readonly byteCount: number
  readonly commitSeq: number
  /** Where the journal goes on, in blocks since the volume was made. */
  readonly position: number
  /** What shows that acknowledged commits are lost, if anything does. */
  readonly damage: string | undefined
}

/** Applies the ring's commits behind the marker, in order. */
export function replayRing(
  ring: Ring,
  marker: Marker,
  volume: number,
  apply: (ops: readonly Op[]) => void,
): Replayed {
  let { commitSeq, ringPosition: position } = marker
  let recordCount = 0
  let blockCount = 0
  for (;;) {
    const records = nextCommit(
      (seq, at) => nextRecord(ring, marker, volume, seq, at),
      commitSeq + 1,
      position,
    )
    const last = records.at(-1)
    if (last === undefined) break
    apply(records.flatMap(({ ops }) => ops))
    commitSeq = last.header.commitSeq
    position = last.header.position + last.blockCount
    recordCount += records.length
    blockCount += records.reduce((sum, record) => sum + record.blockCount, 0)
  }
  const damage = findDamage(ring, marker, volume, commitSeq)
  return { recordCount, byteCount: blockCount * BLOCK_SIZE, commitSeq, position, damage }
}

/** All records of the commit that begins with a sequence at a position; none if one is missing. */
export function nextCommit(
  read: (commitSeq: number, position: number) => RingRecord | undefined,
  commitSeq: number,
  position: number,
): RingRecord[] {
  const records: RingRecord[] = []
  let at = position
  for (;;) {
    const record = read(commitSeq + records.length, at)
    const before = records.at(-1)
    if (record === undefined || (before !== undefined && !continues(before, record))) return []
    records.push(record)
    if (record.header.partsLeft === 0) return records
    at = record.header.position + record.blockCount
  }
}

function continues({ header: before }: RingRecord, { header }: RingRecord): boolean {
  return header.partsLeft === before.partsLeft - 1 && header.epoch === before.epoch
}

/** The record with this sequence, at the position or, if it did not fit there, at the ring's begin. */
function nextRecord(
  ring: Ring,
  marker: Marker,
  volume: number,
  commitSeq: number,
  position: number,
): RingRecord | undefined {
  const offset = position % ring.blockCount
  const candidates = offset === 0 ? [position] : [position, position + ring.blockCount - offset]
  for (const candidate of candidates) {
    const record = readRecord(ring, candidate % ring.blockCount)
    const isNext =
      record !== undefined &&
      record.header.epoch === marker.epoch &&
      record.header.volume === volume &&
      record.header.commitSeq === commitSeq &&
      record.header.position === candidate
    if (isNext) return record
  }
  return undefined
}

/** A valid record that begins at this block, if there is one. */
export function readRecord(ring: Ring, ringBlock: number): RingRecord | undefined {
  const first = Buffer.allocUnsafe(BLOCK_SIZE)
  ring.read(ringBlock, first)
  const peeked = peekRecord(first)
  if (peeked === undefined || ringBlock + peeked.blockCount > ring.blockCount) return undefined
  if (peeked.blockCount > recordBlocksMax(ring.blockCount)) return undefined
  const bytes = Buffer.allocUnsafeSlow(peeked.blockCount * BLOCK_SIZE)
  ring.read(ringBlock, bytes)
  try {
    const record = decodeRecord(bytes)
    return record === 'invalid' ? undefined : record
  } catch {
    // A checksum that fits by chance or a bug: not a record that anybody could replay.
    return undefined
  }
}

/** All valid records of this epoch and later ones that lie anywhere in the ring. */
export function* recordsInRing(
  ring: Ring,
  epoch: number,
  volume: number,
): Generator<RingRecord, void> {
  const chunk = Buffer.allocUnsafe(SCAN_BLOCKS * BLOCK_SIZE)
  for (let start = 0; start < ring.blockCount; start += SCAN_BLOCKS) {
    const count = Math.min(SCAN_BLOCKS, ring.blockCount - start)
    ring.read(start, chunk.subarray(0, count * BLOCK_SIZE))
    for (let i = 0; i < count; i++) {
      const block = chunk.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)
      if (peekRecord(block) === undefined) continue
      const record = readRecord(ring, start + i)
      if (record === undefined || record.header.volume !== volume) continue
      if (record.header.epoch >= epoch) yield record
    }
  }
}

function findDamage(
  ring: Ring,
  marker: Marker,
  volume: number,
  commitSeq: number,
): string | undefined {
  for (const { header } of recordsInRing(ring, marker.epoch, volume)) {
    // Nothing is committed under an epoch before the index holds it.
    if (header.epoch > marker.epoch || header.checkpointSeq > marker.commitSeq) {
      return `the index has lost the checkpoint of commit ${header.checkpointSeq}`
    }
    if (header.commitSeq > commitSeq && header.durableSeq > commitSeq) {
      return `commit ${commitSeq + 1} was durable and cannot be read from the ring any more`
    }
  }
  return undefined
}
