/**
 * The part of the ring that a recovery would need now. All of it is in memory too, so damage is
 * mended by a checkpoint, after which it is not needed any more.
 */
import { allocateAligned } from '../device/aligned-memory.ts'
import { BLOCK_SIZE, type Ring } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { replayRing } from '../journal/recovery.ts'
import { type ScrubParts, type Turns, mayMend } from './parts.ts'

/** A checkpoint may use the space again while it is read. */
const TRIES = 3

export async function* scrubRing(parts: ScrubParts): Turns {
  const { engine } = parts
  for (let i = 0; i < TRIES; i++) {
    const { tail, head } = engine.journal.live
    const failedSeq = await firstUnreadable(parts)
    yield (head - tail) * BLOCK_SIZE
    if (failedSeq === undefined) return
    if (i + 1 < TRIES) continue
    const what = `commit ${failedSeq} cannot be read from the ring`
    const { ringStart, ringBlocks } = parts.superblock
    const offset = (ringStart + (tail % ringBlocks)) * BLOCK_SIZE
    parts.report({ file: 'blocks', offset, what, mended: await checkpoint(parts) })
  }
}

/** A durable commit that the ring should hold and does not. */
async function firstUnreadable(parts: ScrubParts): Promise<number | undefined> {
  const { journal } = parts.engine
  const before = journal.live
  if (before.durableSeq <= before.checkpointSeq) return undefined
  const blocks = await readLive(parts, before.tail, before.head)
  const view = viewOf(parts.superblock.ringBlocks, blocks)
  const marker = { ...NO_MARKER, commitSeq: before.checkpointSeq, ringPosition: before.tail }
  const { epoch, volume } = before
  const { commitSeq } = replayRing(view, { ...marker, epoch }, volume, () => undefined)
  const isNeeded = journal.live.checkpointSeq <= commitSeq
  return commitSeq < before.durableSeq && isNeeded ? commitSeq + 1 : undefined
}

const NO_MARKER = { blockCount: 0, freeCount: 0, nextIno: 0, clean: false }

/** Blocks of the ring by number; those that cannot be read are missing. */
async function readLive(
  { raw, superblock: { ringStart, ringBlocks } }: ScrubParts,
  tail: number,
  head: number,
): Promise<ReadonlyMap<number, Buffer>> {
  const blocks = new Map<number, Buffer>()
  const block = allocateAligned(BLOCK_SIZE)
  for (let position = tail; position < head; position++) {
    const ringBlock = position % ringBlocks
    try {
      await raw.readBlocks(ringStart + ringBlock, block)
      blocks.set(ringBlock, Buffer.from(block))
    } catch (error) {
      if (!(error instanceof FsError)) throw error
    }
  }
  return blocks
}

function refuse(): never {
  throw new FsError('EROFS', 'A view of the ring is not written')
}

/** Zeros for what is not there. */
function viewOf(blockCount: number, blocks: ReadonlyMap<number, Buffer>): Ring {
  return {
    blockCount,
    read(first, target) {
      for (let at = 0; at < target.length; at += BLOCK_SIZE) {
        const block = blocks.get(first + at / BLOCK_SIZE)
        if (block === undefined) target.fill(0, at, at + BLOCK_SIZE)
        else target.set(block, at)
      }
    },
    write: refuse,
    writeDurable: refuse,
    flush: refuse,
  }
}

async function checkpoint(parts: ScrubParts): Promise<boolean> {
  if (!mayMend(parts)) return false
  try {
    await parts.engine.checkpointer.run()
    return true
  } catch {
    // The volume has failed, and says so itself.
    return false
  }
}
