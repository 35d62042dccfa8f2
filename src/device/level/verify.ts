/**
 * Verifies the files of an index without LevelDB, which does not look at most of its checksums, ends
 * the process at some kinds of damage, and forgets the rest by writing its log anew when it opens.
 * Only files that count are looked at: what a crash has left besides may be torn.
 */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FsError } from '../../errors.ts'
import { hostError } from '../host-error.ts'
import { verifyLog } from './log.ts'
import { type LiveFiles, readManifest, verifyManifest } from './manifest.ts'
import { type FileDamage, verifyTable } from './table.ts'

export interface NamedDamage extends FileDamage {
  /** Of the file, in the folder. */
  readonly name: string
}

/** A file that counts. */
export interface LevelFile {
  readonly name: string
  readonly kind: 'current' | 'manifest' | 'log' | 'table'
  /** Of a table: what it must have, in bytes. */
  readonly size?: number
}

const CURRENT = 'CURRENT'

/**
 * The files that count, the small ones first. Where CURRENT or the manifest are damaged these are all
 * that is known.
 */
export async function levelFiles(path: string): Promise<LevelFile[]> {
  const current: LevelFile = { name: CURRENT, kind: 'current' }
  const name = (await readIfThere(join(path, CURRENT))).toString('latin1').trimEnd()
  if (!/^MANIFEST-\d+$/.test(name)) return [current]
  const manifest: LevelFile = { name, kind: 'manifest' }
  const bytes = await readIfThere(join(path, name))
  if (bytes.length === 0 || verifyManifest(bytes) !== undefined) return [current, manifest]
  const live = readManifest(bytes)
  return [current, manifest, ...(await liveLogs(path, live)), ...(await liveTables(path, live))]
}

async function liveLogs(path: string, live: LiveFiles): Promise<LevelFile[]> {
  const names = (await namesIn(path)).filter((name) => /^\d+\.log$/.test(name)).toSorted()
  const counts = (name: string): boolean =>
    Number.parseInt(name, 10) >= live.firstLog || Number.parseInt(name, 10) === live.previousLog
  const needed = names.filter(counts)
  const first = `${String(live.firstLog).padStart(6, '0')}.log`
  // LevelDB makes a log before its manifest says so, and goes on without a word if it is gone.
  if (live.firstLog > 0 && !needed.includes(first)) needed.push(first)
  return needed.map((name) => ({ name, kind: 'log' }))
}

async function liveTables(path: string, { tables }: LiveFiles): Promise<LevelFile[]> {
  const names = new Set(await namesIn(path))
  return [...tables].map(([number, size]) => {
    const stem = String(number).padStart(6, '0')
    const name = names.has(`${stem}.sst`) ? `${stem}.sst` : `${stem}.ldb`
    return { name, kind: 'table', size }
  })
}

/** Damage of one file. `read` is for those who will not have it from the host's cache. */
export async function verifyLevelFile(
  path: string,
  file: LevelFile,
  read: (path: string) => Promise<Buffer> = readFile,
): Promise<NamedDamage[]> {
  const { name } = file
  try {
    const bytes = await read(join(path, name))
    return damageOf(file, bytes).map((found) => ({ ...found, name }))
  } catch (error) {
    const what = hostError('read', name, error).code === 'ENOENT' ? 'missing' : 'unreadable'
    return [{ name, offset: 0, what: `the file is ${what}`, isUsable: false }]
  }
}

function damageOf({ kind, size }: LevelFile, bytes: Buffer): FileDamage[] {
  if (kind === 'table') {
    if (bytes.length === size) return verifyTable(bytes)
    const what = `the table has ${bytes.length} bytes, and had ${size ?? 0}`
    return [{ offset: Math.min(bytes.length, size ?? 0), what, isUsable: false }]
  }
  if (kind === 'current') {
    const isWhole = /^MANIFEST-\d+\n$/.test(bytes.toString('latin1'))
    return isWhole ? [] : [{ offset: 0, what: 'it does not name a manifest', isUsable: false }]
  }
  const found = kind === 'manifest' ? verifyManifest(bytes) : verifyLog(bytes)
  return found === undefined ? [] : [found]
}

/** Damage of all files. */
export async function verifyLevel(path: string): Promise<NamedDamage[]> {
  const found: NamedDamage[] = []
  for (const file of await levelFiles(path)) found.push(...(await verifyLevelFile(path, file)))
  return found
}

/** Tables beyond this are not read when a volume is opened: 64 MiB take less than 0.1 s. */
const OPENING_BYTES_MAX = 64 * 1024 * 1024

/**
 * What must be known before LevelDB opens it: logs always, tables if there are not too many. Returns
 * usable damage, with which the volume can be read. Throws FsError EIO for any other.
 */
export async function verifyBeforeOpening(path: string): Promise<NamedDamage[]> {
  const usable: NamedDamage[] = []
  let tableBytes = 0
  for (const file of await levelFiles(path)) {
    tableBytes += file.size ?? 0
    if (tableBytes > OPENING_BYTES_MAX) break
    for (const damage of await verifyLevelFile(path, file)) {
      if (!damage.isUsable) throw unusable(path, damage)
      usable.push(damage)
    }
  }
  return usable
}

function unusable(path: string, { name, offset, what }: NamedDamage): FsError {
  const where = `its index is damaged: file "${join(path, name)}", offset ${offset}: ${what}`
  return new FsError('EIO', `Cannot open the volume: ${where}; see: oatomic check`)
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    throw hostError('read', path, error)
  }
}

/** Nothing for a file that is missing or unreadable: whoever verifies it says so. */
async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch {
    return Buffer.alloc(0)
  }
}
