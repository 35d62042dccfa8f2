/** Divides a commit into as few records as it needs. */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { Op } from '../store/ops.ts'
import { FIXED_SIZE, measureRecord, opSize } from './record.ts'

export interface Part {
  readonly ops: readonly Op[]
  readonly blockCount: number
}

/** Operations in order. Throws FsError EFBIG for one that does not fit a record by itself. */
export function splitCommit(ops: readonly Op[], recordBlocksMax: number): Part[] {
  const { blockCount } = measureRecord(ops)
  if (blockCount <= recordBlocksMax) return [{ ops, blockCount }]
  const parts: Part[] = []
  let first = 0
  let headerBytes = FIXED_SIZE
  let pageCount = 0
  for (const [i, op] of ops.entries()) {
    const size = opSize(op)
    const pages = op.type === 'page' ? 1 : 0
    const blocks = Math.ceil((headerBytes + size) / BLOCK_SIZE) + pageCount + pages
    if (blocks > recordBlocksMax) {
      parts.push(partOf(ops.slice(first, i), recordBlocksMax))
      first = i
      headerBytes = FIXED_SIZE
      pageCount = 0
    }
    headerBytes += size
    pageCount += pages
  }
  parts.push(partOf(ops.slice(first), recordBlocksMax))
  return parts
}

function partOf(ops: readonly Op[], recordBlocksMax: number): Part {
  const { blockCount } = measureRecord(ops)
  if (blockCount > recordBlocksMax || ops.length === 0) {
    throw new FsError('EFBIG', "A change does not fit a record of this volume's ring")
  }
  return { ops, blockCount }
}
