/** The ring's records that wait for replay, one item each. */
import { describeKey } from '../store/describe-key.ts'
import type { VolumeView } from '../check/volume-view.ts'
import { recordsInRing } from '../journal/recovery.ts'
import type { RingRecord } from '../journal/record.ts'
import type { Op } from '../store/ops.ts'
import type { RecordItem } from './items.ts'

export function waitingRecords(view: VolumeView): RecordItem[] {
  const { marker, replayed, device } = view
  if (marker === undefined || replayed === undefined) return []
  const items: RecordItem[] = []
  for (const record of recordsInRing(device.ring, marker.epoch, view.mark)) {
    const { commitSeq } = record.header
    if (commitSeq <= marker.commitSeq || commitSeq > replayed.commitSeq) continue
    items.push(itemOf(record, device.ring.blockCount))
  }
  return items.toSorted((a, b) => a.commitSeq - b.commitSeq)
}

function itemOf({ header, blockCount, ops }: RingRecord, ringBlockCount: number): RecordItem {
  const { commitSeq, epoch, position, timeNs } = header
  const ringBlock = position % ringBlockCount
  const operations = ops.map(describeOp)
  return { kind: 'record', commitSeq, epoch, position, ringBlock, blockCount, timeNs, operations }
}

function describeOp(op: Op): string {
  if (op.type === 'put' || op.type === 'del') {
    const { text, ino } = describeKey(op.key)
    return ino === undefined ? `${op.type} ${text}` : `${op.type} inode ${ino} ${text}`
  }
  const place = `${op.type} inode ${op.ino}.${op.generation} at ${op.fileBlock}`
  switch (op.type) {
    case 'page':
      return `${place} in block ${op.block}`
    case 'remap':
      return `${place} to block ${op.block}, ${op.checksums.length} blocks`
    case 'share':
      return `${place} to shared block ${op.block}, ${op.checksums.length} blocks`
    case 'unmap':
      return `${place}, ${op.count} blocks`
    case 'drop':
      return place
    case 'move':
      return `${place} block ${op.block}, ${op.checksums.length} blocks`
    case 'vacate':
      return `${place}, ${op.count} blocks`
  }
}
