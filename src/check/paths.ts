/** Paths of some inodes, found in one pass over the entries of all directories. */
import { type Ino, ROOT_INO, decodeDirent } from '../store/inode.ts'
import { GROUP_LENGTH, u64FromKey } from '../store/keys.ts'
import { isWellFormed } from '../store/describe-key.ts'
import { COLUMN, type InodeTable } from './inode-table.ts'
import { showName } from '../show-name.ts'
import type { VolumeView } from './volume-view.ts'

const DEPTH_MAX = 4096

/** Shown paths of those inodes that have one. */
export async function findPaths(
  view: VolumeView,
  table: InodeTable,
  inos: ReadonlySet<Ino>,
): Promise<ReadonlyMap<Ino, string>> {
  if (inos.size === 0) return new Map()
  const names = await findNames(view, withAncestors(table, inos))
  const paths = new Map<Ino, string>()
  for (const ino of inos) {
    const path = pathOf(names, ino)
    if (path !== undefined) paths.set(ino, path)
  }
  return paths
}

interface Name {
  readonly parent: Ino
  readonly name: string
}

function withAncestors(table: InodeTable, inos: ReadonlySet<Ino>): ReadonlySet<Ino> {
  const wanted = new Set<Ino>()
  for (const ino of inos) {
    let row = table.find(ino) ?? -1
    while (row >= 0 && !wanted.has(table.get(row, COLUMN.ino))) {
      wanted.add(table.get(row, COLUMN.ino))
      row = table.get(row, COLUMN.foundParent) - 1
    }
  }
  return wanted
}

/** The first name of each. */
async function findNames(view: VolumeView, wanted: ReadonlySet<Ino>): Promise<Map<Ino, Name>> {
  const names = new Map<Ino, Name>()
  for await (const { key, body } of view.entries('D')) {
    if (!isWellFormed(key)) continue
    const dirent = view.decode(key, body, decodeDirent)
    if (dirent === undefined || !wanted.has(dirent.ino) || names.has(dirent.ino)) continue
    names.set(dirent.ino, { parent: u64FromKey(key, 1), name: key.slice(GROUP_LENGTH) })
  }
  return names
}

function pathOf(names: ReadonlyMap<Ino, Name>, ino: Ino): string | undefined {
  if (ino === ROOT_INO) return '/'
  let path = ''
  let at = ino
  for (let depth = 0; at !== ROOT_INO; depth++) {
    const entry = names.get(at)
    if (entry === undefined || depth > DEPTH_MAX) return undefined
    path = `/${showName(entry.name)}${path}`
    at = entry.parent
  }
  return path
}
