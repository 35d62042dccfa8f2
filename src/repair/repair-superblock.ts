/**
 * The copies of the superblock. A damaged one is written again from the other; if both are damaged,
 * and one by a single turned bit, that bit is turned back. Each write is of one copy, and the good
 * one, or the one that is being mended, is never touched while the other is not good.
 */
import { closeSync, openSync } from 'node:fs'
import { allocateAligned } from '../device/aligned-memory.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import { syncPath, writeAll } from '../device/file-io.ts'
import { onHost } from '../device/host-error.ts'
import { withOneBitTurned } from '../device/level/one-bit.ts'
import { readSuperblockCopy } from '../device/superblock-copies.ts'
import { type Superblock, checkFeatures, decodeSuperblock } from '../store/superblock.ts'
import type { RepairReport } from './report.ts'

/** Returns the superblock that counts, or undefined where there is none left. */
export function repairSuperblocks(
  path: string,
  name: string,
  report: RepairReport,
  { dryRun }: { readonly dryRun: boolean },
): Superblock | undefined {
  const copies = readCopies(path)
  const source = newest(copies) ?? mendOne(copies)
  if (source === undefined) return undefined
  checkFeatures(name, source.decoded)
  for (const copy of [0, 1] as const) {
    if (isGood(copies[copy], source.decoded)) continue
    report.mend(`copy ${copy} of the superblock`)
    if (!dryRun) write(path, copy, source.block)
  }
  return source.decoded
}

interface Source {
  readonly block: Uint8Array
  readonly decoded: Superblock
}

function readCopies(path: string): readonly [Uint8Array, Uint8Array] {
  const fd = onHost('open', path, () => openSync(path, 'r'))
  try {
    return [readSuperblockCopy(fd, path, 0), readSuperblockCopy(fd, path, 1)]
  } finally {
    closeSync(fd)
  }
}

function newest(copies: readonly Uint8Array[]): Source | undefined {
  const valid = copies.flatMap((block) => {
    const decoded = decodeSuperblock(block)
    return typeof decoded === 'object' ? [{ block, decoded }] : []
  })
  return valid.toSorted((a, b) => b.decoded.generation - a.decoded.generation)[0]
}

function mendOne(copies: readonly Uint8Array[]): Source | undefined {
  for (const copy of copies) {
    const isValid = (block: Uint8Array): boolean => typeof decodeSuperblock(block) === 'object'
    const block = withOneBitTurned(copy, isValid)
    const decoded = block === undefined ? undefined : decodeSuperblock(block)
    if (block !== undefined && typeof decoded === 'object') return { block, decoded }
  }
  return undefined
}

/** An older generation is what a crash between two updates leaves. */
function isGood(block: Uint8Array, source: Superblock): boolean {
  const decoded = decodeSuperblock(block)
  if (typeof decoded !== 'object') return false
  return (
    Buffer.compare(decoded.uuid, source.uuid) === 0 &&
    decoded.ringStart === source.ringStart &&
    decoded.ringBlocks === source.ringBlocks &&
    decoded.dataStart === source.dataStart
  )
}

function write(path: string, copy: 0 | 1, block: Uint8Array): void {
  onHost('write', path, () => {
    const aligned = allocateAligned(BLOCK_SIZE)
    aligned.set(block)
    const fd = openSync(path, 'r+')
    try {
      writeAll(fd, aligned, copy * BLOCK_SIZE)
    } finally {
      closeSync(fd)
    }
    syncPath(path)
  })
}
