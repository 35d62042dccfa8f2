/** Inodes with their names, attributes and extents. */
import { isWellFormed } from '../store/describe-key.ts'
import { showName } from '../show-name.ts'
import type { VolumeView } from '../check/volume-view.ts'
import { FsError } from '../errors.ts'
import { INODE_HAS_XATTRS, type Ino, ROOT_INO, decodeDirent, decodeInode } from '../store/inode.ts'
import {
  GROUP_LENGTH,
  direntKey,
  inodeKey,
  leafPrefix,
  u32FromKey,
  u64FromKey,
  xattrGroup,
} from '../store/keys.ts'
import { LEAF_BLOCKS, type Leaf, decodeLeaf } from '../store/leaf.ts'
import type { Extent, InodeItem } from './items.ts'

const DEPTH_MAX = 4096

interface Name {
  readonly parent: Ino
  readonly name: string
}

/** Every name of every inode. */
type Names = ReadonlyMap<Ino, readonly Name[]>

async function loadNames(view: VolumeView): Promise<Names> {
  const names = new Map<Ino, Name[]>()
  for await (const { key, body } of view.entries('D')) {
    const dirent = isWellFormed(key) ? view.decode(key, body, decodeDirent) : undefined
    if (dirent === undefined) continue
    const name = { parent: u64FromKey(key, 1), name: key.slice(GROUP_LENGTH) }
    const others = names.get(dirent.ino)
    if (others === undefined) names.set(dirent.ino, [name])
    else others.push(name)
  }
  return names
}

/** The inode at a path from the root; names are separated by `/`. Throws FsError ENOENT. */
export function findPath(view: VolumeView, path: string): Ino {
  let ino = ROOT_INO
  for (const part of Buffer.from(path).toString('latin1').split('/')) {
    if (part === '' || part === '.') continue
    const key = direntKey(ino, part)
    const dirent = view.decode(key, view.get(key), decodeDirent)
    if (dirent === undefined) throw new FsError('ENOENT', `Cannot find "${path}" in the volume`)
    ino = dirent.ino
  }
  return ino
}

/** Those of one inode, or of all. Throws FsError ENOENT for one that does not exist. */
export async function* inodeItems(
  view: VolumeView,
  only: Ino | undefined,
): AsyncGenerator<InodeItem, void> {
  if (only !== undefined && view.get(inodeKey(only)) === undefined) {
    throw new FsError('ENOENT', `Inode ${only} does not exist in the volume`)
  }
  const names = await loadNames(view)
  for await (const { key, body } of view.entries(only === undefined ? 'I' : inodeKey(only))) {
    const ino = u64FromKey(key, 1)
    const inode = view.decode(key, body, (bytes) => decodeInode(ino, bytes))
    if (inode === undefined) continue
    const paths = (names.get(ino) ?? []).map((name) => pathOf(names, name))
    if (ino === ROOT_INO) paths.unshift('/')
    const hasXattrs = (inode.flags & INODE_HAS_XATTRS) !== 0
    const xattrs = hasXattrs ? await xattrsOf(view, ino) : []
    const extents = inode.blockCount > 0 ? await extentsOf(view, ino, inode.mapGeneration) : []
    yield { kind: 'inode', inode, paths, xattrs, extents }
  }
}

function pathOf(names: Names, { parent, name }: Name): string {
  let path = `/${showName(name)}`
  let at = parent
  for (let depth = 0; at !== ROOT_INO; depth++) {
    const [above] = names.get(at) ?? []
    // Only a damaged volume has a directory without a name, or below itself.
    if (above === undefined || depth > DEPTH_MAX) return `(inode ${at})${path}`
    path = `/${showName(above.name)}${path}`
    at = above.parent
  }
  return path
}

async function xattrsOf(view: VolumeView, ino: Ino): Promise<InodeItem['xattrs']> {
  const xattrs: { name: string; size: number }[] = []
  for await (const { key, body } of view.entries(xattrGroup(ino))) {
    xattrs.push({ name: showName(key.slice(GROUP_LENGTH)), size: body?.length ?? 0 })
  }
  return xattrs
}

async function extentsOf(view: VolumeView, ino: Ino, generation: number): Promise<Extent[]> {
  const extents: { -readonly [Key in keyof Extent]: Extent[Key] }[] = []
  for await (const { key, body } of view.entries(leafPrefix(ino, generation))) {
    const leaf = isWellFormed(key) ? view.decode(key, body, decodeLeaf) : undefined
    if (leaf === undefined) continue
    for (const [fileBlock, startBlock] of mappedBlocks(leaf, u32FromKey(key, 13))) {
      const last = extents.at(-1)
      const continues =
        last !== undefined &&
        last.fileBlock + last.blockCount === fileBlock &&
        last.startBlock + last.blockCount === startBlock
      if (continues) last.blockCount++
      else extents.push({ fileBlock, startBlock, blockCount: 1 })
    }
  }
  return extents
}

function* mappedBlocks(leaf: Leaf, leafIndex: number): Generator<[number, number], void> {
  for (let slot = 0; slot < LEAF_BLOCKS; slot++) {
    if (leaf.block(slot) !== 0) yield [leafIndex * LEAF_BLOCKS + slot, leaf.block(slot)]
  }
}
