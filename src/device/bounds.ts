/** What every device checks of a request, so that none is more forgiving than another. */
import { FsError, invariant } from '../errors.ts'
import { BLOCK_SIZE, type BlockNo } from './device.ts'

/** The blocks of a part that may be used: `first` up to, not including, `end`. */
export interface Bounds {
  readonly part: string
  readonly first: BlockNo
  readonly end: BlockNo
}

export function ringBounds(blockCount: number): Bounds {
  return { part: 'ring', first: 0, end: blockCount }
}

/** Block 0 is not one of them. */
export function blocksBounds(blockCount: number): Bounds {
  return { part: 'blocks', first: 1, end: blockCount }
}

/** A bad address can come from a damaged volume, so it is an error of the volume. */
export function checkRead(bounds: Bounds, block: BlockNo, target: Uint8Array): void {
  checkWhole(target)
  if (isInside(bounds, block, target)) return
  const blockCount = target.length / BLOCK_SIZE
  throw new FsError(
    'EIO',
    `Cannot read ${blockCount} blocks at ${block} of ${bounds.part}: it has ${bounds.end}`,
  )
}

/** A bad address here is a bug: nothing is written where nothing was allocated. */
export function checkWrite(bounds: Bounds, block: BlockNo, data: Uint8Array): void {
  checkWhole(data)
  invariant(isInside(bounds, block, data), `a write stays inside ${bounds.part}`)
}

/** Requires one block, as a superblock is. */
export function checkSuperblock(data: Uint8Array): void {
  invariant(data.length === BLOCK_SIZE, 'a superblock is one block')
}

function checkWhole(data: Uint8Array): void {
  invariant(data.length > 0, 'a request is not empty')
  invariant(data.length % BLOCK_SIZE === 0, 'a request is of whole blocks')
}

function isInside(bounds: Bounds, block: BlockNo, data: Uint8Array): boolean {
  if (!Number.isSafeInteger(block)) return false
  return block >= bounds.first && block + data.length / BLOCK_SIZE <= bounds.end
}
