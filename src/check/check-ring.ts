/** F4: whether the ring contradicts what was replayed of it. */
import { BLOCK_SIZE, type Ring } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { peekRecord } from '../journal/record.ts'
import { readRecord } from '../journal/recovery.ts'
import type { VolumeView } from './volume-view.ts'

const SCAN_BLOCKS = 256

export function checkRing(view: VolumeView): void {
  const { replayed, sink } = view
  if (replayed?.damage !== undefined) sink('F4', 'error', replayed.damage)
  try {
    findLaterEpoch(view)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    sink('F4', 'error', `the ring cannot be read: ${error.message}`)
  }
}

/** Nothing is committed under an epoch before the index holds it. */
function findLaterEpoch({ device, marker, mark, sink }: VolumeView): void {
  if (marker === undefined) return
  for (const ringBlock of possibleRecords(device.ring)) {
    const header = readRecord(device.ring, ringBlock)?.header
    if (header === undefined || header.volume !== mark || header.epoch <= marker.epoch) continue
    const lost = `the checkpoint that began epoch ${header.epoch}`
    sink('F4', 'error', `the index has lost ${lost}: the ring has records of it`)
    return
  }
}

/** Blocks of the ring that look like the first one of a record. */
function* possibleRecords(ring: Ring): Generator<number, void> {
  const chunk = Buffer.allocUnsafe(SCAN_BLOCKS * BLOCK_SIZE)
  for (let start = 0; start < ring.blockCount; start += SCAN_BLOCKS) {
    const count = Math.min(SCAN_BLOCKS, ring.blockCount - start)
    ring.read(start, chunk.subarray(0, count * BLOCK_SIZE))
    for (let i = 0; i < count; i++) {
      const block = chunk.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE)
      if (peekRecord(block) !== undefined) yield start + i
    }
  }
}
