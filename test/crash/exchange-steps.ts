/** Exchanges of content, on the filesystem and on the model. */
import { BLOCK_SIZE } from '../../src/device/device.ts'
import { EXCHANGE_RANGE, FLAG, encodeExchange } from '../support/exchange.ts'
import { CALLER, O_RDWR } from '../support/volume.ts'
import { current, handle } from './content-steps.ts'
import { changeNode } from './model.ts'
import type { Session } from './session.ts'

/** In blocks, counted from the begin of the files; without `blocks` to the ends of both. */
interface Places {
  readonly at: number
  readonly otherAt: number
  readonly blocks: number
  readonly durable: boolean
}

const DESCRIPTOR = 7

/**
 * Exchanges what two open files have now, or as much of that as both have; both are published by it, in
 * one step. Does nothing where there is nothing to exchange, or where nobody will see it.
 */
export async function exchangeContent(
  session: Session,
  [path, otherPath]: readonly [string, string],
  places: Places,
): Promise<void> {
  const { fs, oracle, processes, staged } = session
  const [first, second] = [handle(session, path), handle(session, otherPath)]
  const [content, other] = [current(session, first.ino), current(session, second.ino)]
  const range = rangeOf(content.length, other.length, places)
  const isOverlap = Math.abs(range.at - range.otherAt) < range.length
  if (range.length === 0 || (first.ino === second.ino && (range.toEnd || isOverlap))) return
  if (!oracle.live.nodes.has(first.ino) || !oracle.live.nodes.has(second.ino)) return
  const after = exchanged(content, other, range, first.ino === second.ino)
  const before = [staged.get(first.ino), staged.get(second.ino)]
  const argument = {
    descriptor: DESCRIPTOR,
    firstOffset: range.at,
    secondOffset: range.otherAt,
    length: range.length,
    flags: (range.toEnd ? FLAG.TO_EOF : 0) | (places.durable ? FLAG.DSYNC : 0),
  }
  await oracle.step({
    apply: (state) => {
      for (const [i, { ino }] of [first, second].entries()) {
        changeNode(state, ino, { content: after[i] ?? content })
        if (staged.get(ino) === before[i]) staged.delete(ino)
      }
    },
    isDurable: places.durable,
    run: async () => {
      processes.descriptors.set(DESCRIPTOR, { ino: first.ino, flags: O_RDWR })
      const input = encodeExchange(argument)
      await fs.ioctl({ ...second, isDirectory: false, command: EXCHANGE_RANGE, input }, CALLER)
    },
  })
}

interface Range {
  readonly at: number
  readonly otherAt: number
  readonly length: number
  readonly toEnd: boolean
}

function rangeOf(size: number, otherSize: number, places: Places): Range {
  const [whole, otherWhole] = [size, otherSize].map((bytes) => Math.floor(bytes / BLOCK_SIZE))
  const at = Math.min(places.at, whole ?? 0)
  const otherAt = Math.min(places.otherAt, otherWhole ?? 0)
  const place = { at: at * BLOCK_SIZE, otherAt: otherAt * BLOCK_SIZE }
  if (places.blocks === 0) {
    const length = Math.max(size - place.at, otherSize - place.otherAt)
    return { ...place, length, toEnd: true }
  }
  const blocks = Math.min(places.blocks, (whole ?? 0) - at, (otherWhole ?? 0) - otherAt)
  return { ...place, length: blocks * BLOCK_SIZE, toEnd: false }
}

function exchanged(
  content: Uint8Array,
  other: Uint8Array,
  { at, otherAt, length, toEnd }: Range,
  isSameFile: boolean,
): readonly [Uint8Array, Uint8Array] {
  if (toEnd) {
    return [
      Buffer.concat([content.subarray(0, at), other.subarray(otherAt)]),
      Buffer.concat([other.subarray(0, otherAt), content.subarray(at)]),
    ]
  }
  const after = Buffer.from(content)
  const otherAfter = isSameFile ? after : Buffer.from(other)
  after.set(other.subarray(otherAt, otherAt + length), at)
  otherAfter.set(content.subarray(at, at + length), otherAt)
  return [after, otherAfter]
}
