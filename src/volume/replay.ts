/** Replays the ring over the index, and looks for what a volume in order cannot have. */
import { eachEntry } from '../device/each-entry.ts'
import { FsError } from '../errors.ts'
import { type Replayed, replayRing } from '../journal/recovery.ts'
import { inodeKey, isWellFormed, prefixEnd, u64FromKey } from '../store/keys.ts'
import type { Marker } from '../store/marker.ts'
import { CommitCheck, type MapPlace } from '../store/commit-check.ts'
import { type Op, checkOp } from '../store/ops.ts'
import type { Store } from '../store/store.ts'
import type { InodeCounter } from '../txn/engine.ts'

/** Throws FsError EIO when a commit cannot be one of this volume; nothing is written then. */
export function replay(
  store: Store,
  name: string,
  marker: Marker,
  volume: number,
  counter: InodeCounter,
): Replayed {
  const { ring } = store.device
  try {
    return replayRing(ring, marker, volume, (ops) => {
      applyCommit(store, ops, counter)
    })
  } catch (error) {
    const hint = `its ring and its index contradict each other; run: oatomic check ${name}`
    throw new FsError('EIO', `Cannot open volume "${name}": ${hint}`, { cause: error })
  }
}

function applyCommit(store: Store, ops: readonly Op[], counter: InodeCounter): void {
  const blockAt = ({ ino, generation, fileBlock }: MapPlace): number =>
    store.maps.get(ino, generation).block(fileBlock)
  const check = new CommitCheck(blockAt)
  for (const op of ops) {
    checkOp(op, store.device.blocks.blockCount)
    if (op.type === 'put' && op.key.startsWith('I')) {
      counter.next = Math.max(counter.next, u64FromKey(op.key, 1) + 1)
    }
    store.prepare(op, new Map())
    check.note(op)
    store.apply(op)
  }
  check.finish((key) => store.metadata.get(key))
}

/** What makes writing to a volume dangerous, if anything does: it would overwrite what is there. */
export async function findHazard(store: Store, counter: InodeCounter): Promise<string | undefined> {
  const next = inodeKey(counter.next)
  for await (const [key] of eachEntry(store.device.index.pages(next, prefixEnd('I')))) {
    if (!isWellFormed(key)) continue
    return `inode ${u64FromKey(key, 1)} exists, and the next new one would be ${counter.next}`
  }
  return undefined
}
