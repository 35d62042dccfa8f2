/**
 * Whether a file's content is still the one that somebody has seen. Every change has a number of its own:
 * what is published that of its commit, what is staged one more for each write. Numbers count while the
 * volume is open; under another epoch nothing is fresh. Nobody gains anything by making one up: what
 * is asked for is allowed without it, too.
 */
import { randomBytes } from 'node:crypto'
import type { FileState } from '../txn/shadow-fork.ts'
import type { FsContext } from './context.ts'

/** Bytes that a program keeps for us. */
export const FRESHNESS_SIZE = 48

const marks = new WeakMap<FsContext, Buffer>()

/** As it is now: what is on its way from the kernel's cache is not in it. */
export function freshnessOf(context: FsContext, file: FileState): Uint8Array {
  const { engine } = context
  const out = Buffer.alloc(FRESHNESS_SIZE)
  markOf(context).copy(out)
  out.writeBigUInt64LE(BigInt(file.ino), 24)
  out.writeBigUInt64LE(BigInt(engine.inodes.get(file.ino).commitSeq), 32)
  out.writeBigUInt64LE(BigInt(file.shadow?.stageSeq ?? 0), 40)
  return out
}

/** Bytes that no other opening of any volume has. */
function markOf(context: FsContext): Buffer {
  const known = marks.get(context)
  if (known !== undefined) return known
  const mark = randomBytes(24)
  marks.set(context, mark)
  return mark
}
