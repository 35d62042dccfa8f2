/** A device on the host that keeps what lies in its folder around each batch of the index. */
import { setTimeout } from 'node:timers/promises'
import type { Device, Index, IndexOp } from '../../src/device/device.ts'
import type { FileDevice } from '../../src/device/file-device.ts'
import { volumePaths } from '../../src/device/layout.ts'
import { invariant } from '../../src/errors.ts'
import { MARKER_KEY } from '../../src/store/keys.ts'
import { decodeMarker } from '../../src/store/marker.ts'
import { openValue } from '../../src/store/metadata.ts'
import { type BlockImage, type Files, isSame, readBlocks, readIndex } from './level-files.ts'

/** One batch, and what a crash could find. */
export interface Capture {
  /** Orders it among the steps of the workload. */
  readonly moment: number
  readonly blocks: BlockImage
  /** The index before the batch, when it was acknowledged, and when LevelDB had come to rest. */
  readonly before: Files
  readonly acknowledged: Files
  readonly settled: Files
  /** The checkpoint that the index held before the batch, and the one that it brings. */
  readonly oldSeq: number
  readonly newSeq: number
}

/** Files of one kind, the oldest first. */
export function namesOf(files: Files, kind: RegExp): string[] {
  return [...files.keys()].filter((name) => kind.test(name)).toSorted()
}

export function newestLog(files: Files): string {
  const name = namesOf(files, /\.log$/).at(-1)
  invariant(name !== undefined, 'a database that is open has a log')
  return name
}

/** Whether LevelDB began a new log for the batch. */
export function isRotation({ before, settled }: Capture): boolean {
  return newestLog(before) !== newestLog(settled)
}

export class CapturingDevice implements Device {
  readonly captures: Capture[] = []
  readonly ring: Device['ring']
  readonly blocks: Device['blocks']
  readonly index: Index
  private readonly inner: FileDevice
  private readonly path: string
  private moment = 0
  private known: Files = new Map()

  constructor(inner: FileDevice, path: string) {
    this.inner = inner
    this.path = path
    this.ring = inner.ring
    this.blocks = inner.blocks
    this.index = {
      get: (key) => inner.index.get(key),
      pages: (from, to) => inner.index.pages(from, to),
      get hasSpace() {
        return inner.index.hasSpace
      },
      batch: (operations) => this.batch(operations),
    }
  }

  /** Moments that are over; what happens now is not part of them. */
  now(): number {
    return this.moment
  }

  readSuperblock(copy: 0 | 1): Uint8Array {
    return this.inner.readSuperblock(copy)
  }

  writeSuperblock(copy: 0 | 1, data: Uint8Array): Promise<void> {
    return this.inner.writeSuperblock(copy, data)
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  private async batch(operations: readonly IndexOp[]): Promise<void> {
    const moment = this.moment++
    const blocks = readBlocks(volumePaths(this.path).blocks)
    const before = this.read()
    const oldSeq = seqOf(this.inner.index.get(MARKER_KEY))
    await this.inner.index.batch(operations)
    const acknowledged = this.read()
    const settled = await this.settle(before)
    const newSeq = seqOf(this.inner.index.get(MARKER_KEY))
    this.captures.push({ moment, blocks, before, acknowledged, settled, oldSeq, newSeq })
  }

  private read(): Files {
    this.known = readIndex(volumePaths(this.path).index, this.known)
    return this.known
  }

  /** A new log makes LevelDB write the old one's entries to a table; nothing tells when it is done. */
  private async settle(before: Files): Promise<Files> {
    let files = this.read()
    if (newestLog(files) === newestLog(before)) return files
    for (;;) {
      await setTimeout(30)
      const last = files
      files = this.read()
      if (isSame(files, last) && namesOf(files, /\.log$/).length === 1) return files
    }
  }
}

function seqOf(value: Uint8Array | undefined): number {
  invariant(value !== undefined, 'a volume has a marker')
  return decodeMarker(openValue(MARKER_KEY, value)).commitSeq
}
