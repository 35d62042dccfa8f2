/** Runs of file blocks, so that a record has few operations on extent maps. */
import type { Ino } from '../store/inode.ts'
import type { Change } from './change.ts'

/** Of a run in a record, apart from its checksums. */
const RUN_BYTES = 25
const CHECKSUM_BYTES = 4

type MapType = 'remap' | 'share' | 'move'

/** Joins mapped blocks to operations, as few as the layout allows. */
export class MapRuns {
  private readonly countMax: number
  private readonly runs: {
    readonly type: MapType
    readonly fileBlock: number
    readonly block: number
    readonly checksums: number[]
  }[] = []
  blockCount = 0
  /** Bytes that they take of a record. */
  sizeBytes = 0

  /** Operations have at most so many blocks. */
  constructor(countMax = Infinity) {
    this.countMax = countMax
  }

  add(type: MapType, fileBlock: number, block: number, checksum: number): void {
    this.blockCount++
    this.sizeBytes += CHECKSUM_BYTES
    const last = this.runs.at(-1)
    const length = last?.checksums.length ?? 0
    if (
      last?.type === type &&
      length < this.countMax &&
      last.fileBlock + length === fileBlock &&
      last.block + length === block
    ) {
      last.checksums.push(checksum)
    } else {
      this.sizeBytes += RUN_BYTES
      this.runs.push({ type, fileBlock, block, checksums: [checksum] })
    }
  }

  push(change: Change, ino: Ino, generation: number): void {
    for (const { type, fileBlock, block, checksums } of this.runs) {
      const entries = Uint32Array.from(checksums)
      change.push({ type, ino, generation, fileBlock, block, checksums: entries })
    }
  }
}

/** Joins consecutive numbers to runs. */
export class RunBuilder {
  readonly runs: { start: number; count: number }[] = []

  add(value: number): void {
    const last = this.runs.at(-1)
    if (last !== undefined && last.start + last.count === value) last.count++
    else this.runs.push({ start: value, count: 1 })
  }
}
