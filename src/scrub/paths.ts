/** Paths of inodes with findings, from the entries of all directories; hard links give one of them. */
import { type Ino, ROOT_INO, decodeDirent } from '../store/inode.ts'
import { GROUP_LENGTH, u64FromKey } from '../store/keys.ts'
import { showName } from '../show-name.ts'
import { passOver } from './parts.ts'
import type { Engine } from '../txn/engine.ts'

const KEYS_PER_LOOK = 1000
const DEPTH_MAX = 4096

interface Name {
  readonly parent: Ino
  readonly name: string
}

/** Shown paths of those that have one. */
export async function findPaths(
  engine: Engine,
  inos: ReadonlySet<Ino>,
): Promise<ReadonlyMap<Ino, string>> {
  const names = new Map<Ino, Name>()
  const asked = new Set<Ino>()
  // Each pass finds names of what the last one has shown to be missing: parents of parents.
  for (let wanted = inos; wanted.size > 0; wanted = missingParents(names, inos, asked)) {
    for (const ino of wanted) asked.add(ino)
    await findNames(engine, wanted, names)
  }
  const paths = new Map<Ino, string>()
  for (const ino of inos) {
    const path = pathOf(names, ino)
    if (path !== undefined) paths.set(ino, path)
  }
  return paths
}

async function findNames(
  { store }: Engine,
  wanted: ReadonlySet<Ino>,
  names: Map<Ino, Name>,
): Promise<void> {
  for (let from = 'D'; ;) {
    const found = await store.metadata.scan('D', {
      from,
      limit: KEYS_PER_LOOK,
      onDamaged: passOver,
    })
    for (const [key, body] of found) {
      const { ino } = decodeDirent(body)
      if (!wanted.has(ino) || names.has(ino)) continue
      names.set(ino, { parent: u64FromKey(key, 1), name: key.slice(GROUP_LENGTH) })
    }
    if (found.length < KEYS_PER_LOOK) return
    from = `${found.at(-1)?.[0] ?? ''}\0`
  }
}

function missingParents(
  names: ReadonlyMap<Ino, Name>,
  inos: ReadonlySet<Ino>,
  asked: ReadonlySet<Ino>,
): ReadonlySet<Ino> {
  const missing = new Set<Ino>()
  for (const start of inos) {
    let at: Ino = start
    for (let depth = 0; at !== ROOT_INO && depth < DEPTH_MAX; depth++) {
      const entry = names.get(at)
      if (entry === undefined) break
      at = entry.parent
    }
    if (at !== ROOT_INO && !asked.has(at)) missing.add(at)
  }
  return missing
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
