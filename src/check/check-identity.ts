/** F1, F2, F3: superblock, identity and marker. */
import type { Device } from '../device/device.ts'
import { RING_START } from '../device/layout.ts'
import { FsError } from '../errors.ts'
import { MARKER_KEY, VOLUME_KEY } from '../store/keys.ts'
import { type Superblock, decodeSuperblock } from '../store/superblock.ts'
import type { Sink } from './findings.ts'
import type { VolumeView } from './volume-view.ts'

/** Looks at both copies; returns whether there was one and none is left. */
export function checkSuperblocks(device: Device, sink: Sink): 'found' | 'lost' {
  const copies = ([0, 1] as const).map((copy) => decodeCopy(device, copy))
  const valid = copies.filter((copy) => typeof copy === 'object')
  const severity = valid.length > 0 ? 'warning' : 'error'
  for (const [copy, decoded] of copies.entries()) {
    if (typeof decoded === 'string')
      sink('F1', severity, `copy ${copy} of the superblock ${decoded}`)
    else if (!isLaidOut(decoded, device)) {
      sink('F1', 'error', `copy ${copy} of the superblock lays the block file out wrongly`)
    }
  }
  const [first, second] = valid
  if (first !== undefined && second !== undefined && !agree(first, second)) {
    sink('F1', 'error', 'the copies of the superblock contradict each other')
  }
  return valid.length === 0 && copies.includes(DAMAGED) ? 'lost' : 'found'
}

const DAMAGED = 'is damaged'

function decodeCopy(device: Device, copy: 0 | 1): Superblock | string {
  try {
    const decoded = decodeSuperblock(device.readSuperblock(copy))
    if (typeof decoded === 'object') return decoded
    if (decoded === 'damaged') return DAMAGED
    return decoded === 'zero' ? 'is empty' : 'is something else'
  } catch (error) {
    if (error instanceof FsError) return 'cannot be read'
    throw error
  }
}

function isLaidOut({ ringStart, ringBlocks, dataStart }: Superblock, device: Device): boolean {
  return (
    ringStart >= RING_START &&
    ringBlocks === device.ring.blockCount &&
    dataStart >= ringStart + ringBlocks
  )
}

/** A crash between their writes leaves another generation in one, never another volume. */
function agree(first: Superblock, second: Superblock): boolean {
  return (
    Buffer.compare(first.uuid, second.uuid) === 0 &&
    first.ringStart === second.ringStart &&
    first.ringBlocks === second.ringBlocks &&
    first.dataStart === second.dataStart
  )
}

export function checkIdentity(view: VolumeView): void {
  const { sink, marker, device, superblock } = view
  const identity = view.identity()
  if (identity === undefined) {
    sink('F2', 'error', `the index does not say whose it is: it has no key ${VOLUME_KEY}`)
  } else if (Buffer.compare(identity, superblock.uuid) !== 0) {
    sink('F2', 'error', 'the index belongs to another volume')
  }
  if (marker === undefined) {
    sink('F3', 'error', `the index has no marker: key ${MARKER_KEY} is missing or damaged`)
    return
  }
  const { blockCount } = device.blocks
  if (marker.epoch === 0) sink('F3', 'error', 'the marker has no epoch')
  if (blockCount < marker.blockCount) {
    const missing = `${blockCount} data blocks of ${marker.blockCount}`
    sink('F3', 'error', `the block file was cut: it has ${missing}`)
  }
}
