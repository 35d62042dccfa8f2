/**
 * Both copies of the superblock. One that is damaged is written again from the other: a copy is one
 * block, and the other one stays whole, so a crash leaves at least what was there.
 */
import { allocateAligned } from '../device/aligned-memory.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { decodeSuperblock, encodeSuperblock } from '../store/superblock.ts'
import { type ScrubParts, type Turns, mayMend } from './parts.ts'

type Copies = readonly [Buffer | undefined, Buffer | undefined]

export async function* scrubSuperblocks(parts: ScrubParts): Turns {
  const copies: Copies = [await readCopy(parts, 0), await readCopy(parts, 1)]
  for (const copy of [0, 1] as const) {
    if (copies[copy] !== undefined) continue
    const other = copies[copy === 0 ? 1 : 0]
    const mended = mayMend(parts) && (await rewrite(parts, copy, other))
    const place = { file: 'blocks', offset: copy * BLOCK_SIZE }
    parts.report({ ...place, what: `copy ${copy} of the superblock is damaged`, mended })
  }
  yield 2 * BLOCK_SIZE
}

/** Undefined if it is not a superblock of this volume. */
async function readCopy({ raw, superblock }: ScrubParts, copy: 0 | 1): Promise<Buffer | undefined> {
  const block = allocateAligned(BLOCK_SIZE)
  try {
    await raw.readBlocks(copy, block)
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
  const decoded = decodeSuperblock(block)
  if (typeof decoded !== 'object') return undefined
  return Buffer.compare(decoded.uuid, superblock.uuid) === 0 ? block : undefined
}

/** With both lost, memory has it: nothing in it has changed since the volume was opened. */
async function rewrite(
  { engine, superblock }: ScrubParts,
  copy: 0 | 1,
  other: Buffer | undefined,
): Promise<boolean> {
  const block = other ?? encodeSuperblock(superblock)
  try {
    await engine.store.device.writeSuperblock(copy, block)
    return true
  } catch (error) {
    engine.health.fail(error)
    return false
  }
}
