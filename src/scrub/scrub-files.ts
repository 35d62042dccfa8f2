/** All regular files, by number: each block of their maps, and that no part of a map is lost. */
import { FsError } from '../errors.ts'
import { BLOCK_SIZE } from '../device/device.ts'
import { type Ino, type Inode, decodeInode, isFile } from '../store/inode.ts'
import { inodeKey, leafKey, leafPrefix, u32FromKey, u64FromKey } from '../store/keys.ts'
import { LEAF_BLOCKS } from '../store/leaf.ts'
import { countHoles } from '../txn/holes.ts'
import { LeafScrub } from './scrub-leaf.ts'
import { type ScrubParts, type Turns, passOver } from './parts.ts'

const INODES_PER_LOOK = 256
const LEAVES_PER_LOOK = 64

export async function* scrubFiles(parts: ScrubParts): Turns {
  const { metadata } = parts.engine.store
  const leaves = new LeafScrub(parts)
  for (let next = 0; ;) {
    const found = await metadata.scan('I', {
      from: inodeKey(next),
      limit: INODES_PER_LOOK,
      onDamaged: passOver,
    })
    const inos = found.map(([key]) => u64FromKey(key, 1))
    for (const ino of inos) yield* scrubFile(parts, leaves, ino)
    yield 0
    if (inos.length < INODES_PER_LOOK) return
    next = (inos.at(-1) ?? 0) + 1
  }
}

async function* scrubFile(parts: ScrubParts, leaves: LeafScrub, ino: Ino): Turns {
  const inode = inodeNow(parts, ino)
  if (inode === undefined || !isFile(inode) || inode.nlink === 0 || inode.blockCount === 0) return
  const generation = inode.mapGeneration
  let mappedCount = 0
  let damagedCount = 0
  for await (const leafIndex of leavesOf(parts, inode)) {
    const leaf = leaves.current({ ino, generation, leafIndex })
    if (leaf === 'damaged') damagedCount++
    if (leaf === 'damaged' || leaf === undefined) continue
    mappedCount += leaf.mappedCount
    yield* leaves.scrub({ ino, generation, leafIndex })
  }
  if (damagedCount === 0 && mappedCount !== inode.blockCount) await findLoss(parts, ino)
}

/** Not kept in memory, as there are very many. */
function inodeNow({ engine }: ScrubParts, ino: Ino): Inode | undefined {
  try {
    const body = engine.store.metadata.get(inodeKey(ino))
    return body === undefined ? undefined : decodeInode(ino, body)
  } catch (error) {
    if (error instanceof FsError) return undefined
    throw error
  }
}

/** Leaves that are in memory, and those that only the index has. */
async function* leavesOf({ engine }: ScrubParts, inode: Inode): AsyncGenerator<number, void> {
  const { ino, mapGeneration } = inode
  if (inode.size <= LEAF_BLOCKS * BLOCK_SIZE) {
    yield 0
    return
  }
  const seen = new Set(engine.store.maps.peekLeaves(ino, mapGeneration))
  yield* seen
  const prefix = leafPrefix(ino, mapGeneration)
  for (let next = 0; ;) {
    const from = leafKey(ino, mapGeneration, next)
    const limit = LEAVES_PER_LOOK
    const found = await engine.store.metadata.scan(prefix, { from, limit, onDamaged: passOver })
    const leaves = found.map(([key]) => u32FromKey(key, prefix.length))
    yield* leaves.filter((leafIndex) => !seen.has(leafIndex))
    if (leaves.length < LEAVES_PER_LOOK) return
    next = (leaves.at(-1) ?? 0) + 1
  }
}

/** The file may only have been changed meanwhile: counted again, exactly. */
async function findLoss({ engine, report }: ScrubParts, ino: Ino): Promise<void> {
  try {
    if (engine.inodes.find(ino) === undefined) return
    await countHoles(engine, ino)
    const inode = engine.inodes.find(ino)
    if (inode === undefined) return
    const map = engine.store.maps.get(ino, inode.mapGeneration)
    if (map.holes !== 'doubtful') return
    report({ what: 'its map has lost a part', ino, mended: false })
  } catch (error) {
    // A damaged leaf is reported with the index.
    if (!(error instanceof FsError)) throw error
  }
}
