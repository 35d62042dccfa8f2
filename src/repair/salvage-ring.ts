/**
 * What the ring holds beyond what the index does, where the marker does not say it, or says it of an
 * older state: a chain of records, each with the next sequence behind the one before.
 *
 * A mount raises the epoch, and begins behind what it has replayed. So the chain may go on under a
 * later epoch, but never under an earlier one: such a record was torn off by a crash before, and was
 * written over only in part since. Of two records with one sequence that of the later epoch counts.
 *
 * Without a marker the chain begins behind the latest checkpoint that any record knows of. That index
 * may hold more by now, and applying a record twice does nothing: no later record can have taken the
 * place of one behind that checkpoint, for it would have known of a later one.
 */
import { BLOCK_SIZE, type Ring } from '../device/device.ts'
import { type RingRecord } from '../journal/record.ts'
import { type Replayed, nextCommit, readRecord, recordsInRing } from '../journal/recovery.ts'
import type { Marker } from '../store/marker.ts'
import type { Op } from '../store/ops.ts'

export interface SalvagedRing extends Replayed {
  /** Above those of all records. */
  readonly nextEpoch: number
  /** The last commit that any record shows to have been. */
  readonly lastSeq: number
}

const max = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), 0)

/** Applies the chain. `marker` is undefined where the index has lost it. */
export function salvageRing(
  ring: Ring,
  marker: Pick<Marker, 'commitSeq' | 'ringPosition' | 'epoch'> | undefined,
  volume: number,
  apply: (ops: readonly Op[]) => void,
): SalvagedRing {
  const places = latestPlaces(ring, marker?.epoch ?? 0, volume)
  const headers = [...places.values()]
  let commitSeq = marker?.commitSeq ?? max(headers.map(({ checkpointSeq }) => checkpointSeq))
  let position = marker?.ringPosition ?? places.get(commitSeq + 1)?.position ?? 0
  let epoch = marker?.epoch ?? 0
  let recordCount = 0
  let blockCount = 0
  const read = (seq: number, at: number): RingRecord | undefined => {
    const place = places.get(seq)
    if (place === undefined || place.epoch < epoch || !follows(ring, at, place.position)) return
    return place.read()
  }
  for (;;) {
    const records = nextCommit(read, commitSeq + 1, position)
    const last = records.at(-1)
    if (last === undefined) break
    apply(records.flatMap(({ ops }) => ops))
    commitSeq = last.header.commitSeq
    epoch = last.header.epoch
    position = last.header.position + last.blockCount
    recordCount += records.length
    blockCount += records.reduce((sum, record) => sum + record.blockCount, 0)
  }
  const lastSeq = Math.max(commitSeq, max(headers.map((header) => header.durableSeq)))
  const damage =
    lastSeq > commitSeq ? `commits ${commitSeq + 1} to ${lastSeq} cannot be read` : undefined
  const nextEpoch = 1 + Math.max(marker?.epoch ?? 1, max(headers.map((header) => header.epoch)))
  const byteCount = blockCount * BLOCK_SIZE
  return { recordCount, byteCount, commitSeq, position, damage, nextEpoch, lastSeq }
}

interface Place {
  readonly position: number
  readonly epoch: number
  readonly durableSeq: number
  readonly checkpointSeq: number
  readonly read: () => RingRecord | undefined
}

/** Where the record of each sequence is. The records themselves would be the whole ring. */
function latestPlaces(ring: Ring, fromEpoch: number, volume: number): ReadonlyMap<number, Place> {
  const places = new Map<number, Place>()
  for (const { header } of recordsInRing(ring, fromEpoch, volume)) {
    const known = places.get(header.commitSeq)
    if (known !== undefined && known.epoch >= header.epoch) continue
    const { position, epoch, durableSeq, checkpointSeq, commitSeq } = header
    const read = (): RingRecord | undefined => recordAt(ring, position, commitSeq, volume)
    places.set(commitSeq, { position, epoch, durableSeq, checkpointSeq, read })
  }
  return places
}

function recordAt(
  ring: Ring,
  position: number,
  commitSeq: number,
  volume: number,
): RingRecord | undefined {
  const record = readRecord(ring, position % ring.blockCount)
  const isSame = record?.header.commitSeq === commitSeq && record.header.volume === volume
  return isSame ? record : undefined
}

/** A record is behind the last one, or at the ring's next begin. */
function follows(ring: Ring, position: number, candidate: number): boolean {
  const offset = position % ring.blockCount
  return candidate === position || candidate === position + ring.blockCount - offset
}
