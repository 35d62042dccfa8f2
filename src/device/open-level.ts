/**
 * Opens LevelDB, whose LOCK file is also the volume's lock.
 *
 * Never open and close that LOCK file from this process: closing any descriptor of a file gives up
 * the POSIX locks that the process has on it. LevelDB itself does so when a database is opened for
 * the second time; the list of open folders keeps it from getting there.
 */
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Level } from 'level'
import { FsError } from '../errors.ts'
import { codeOf, hostError, onHost } from './host-error.ts'
import { syncPath } from './file-io.ts'
import { mendManifest } from './level/mend-manifest.ts'
import { type NamedDamage, verifyBeforeOpening } from './level/verify.ts'
import { volumeHolder } from './volume-lock.ts'

export type LevelDatabase = Level<Buffer, Uint8Array>

const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'view',
  compression: false,
  writeBufferSize: 4 * 1024 * 1024,
  maxFileSize: 2 * 1024 * 1024,
  cacheSize: 16 * 1024 * 1024,
  passive: true,
} as const

/** Device and inode numbers of the folders that are open here. */
const openFolders = new Set<string>()

/** Whether a folder has a database in it. */
export function hasDatabase(path: string): boolean {
  return existsSync(join(path, 'CURRENT'))
}

/** An open database and the lock that comes with it. */
export interface LockedLevel {
  readonly database: LevelDatabase
  /** What of its tables was found damaged and does not keep it from being read. */
  readonly damage: readonly NamedDamage[]
  close(): Promise<void>
}

/**
 * Opens the database in an existing folder, or makes one there, and makes its names durable: without
 * that a power cut has been seen to lose the whole database on XFS. Throws FsError EBUSY when another
 * has it open, and EIO when it is damaged in a way that LevelDB does not survive, or hides.
 */
export async function openLevel(path: string, how: 'open' | 'create'): Promise<LockedLevel> {
  const volume = dirname(path)
  const identity = onHost('open', path, () => identityOf(path))
  if (openFolders.has(identity)) {
    throw new FsError('EBUSY', `Cannot open: volume "${volume}" is in use by this process`)
  }
  openFolders.add(identity)
  try {
    const damage = how === 'open' ? await verifyFiles(path) : []
    return lockedLevel(await openDatabase(path, how), identity, damage)
  } catch (error) {
    openFolders.delete(identity)
    if (codeOf(causeOf(error)) !== 'LEVEL_LOCKED') throw hostError('open', path, causeOf(error))
    throw new FsError('EBUSY', `Cannot open: volume "${volume}" is in use by another process`, {
      cause: error,
    })
  }
}

async function openDatabase(path: string, how: 'open' | 'create'): Promise<LevelDatabase> {
  const database: LevelDatabase = new Level(path, OPTIONS)
  const isNew = how === 'create'
  await database.open({ createIfMissing: isNew, errorIfExists: isNew })
  try {
    syncPath(path)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Another process that writes them makes files look damaged. */
async function verifyFiles(path: string): Promise<readonly NamedDamage[]> {
  const isUsed = (): boolean => volumeHolder(dirname(path)) !== undefined
  try {
    const damage = await verifyBeforeOpening(path)
    // LevelDB finds out in a moment.
    if (isUsed()) return []
    mendManifest(path)
    return damage
  } catch (error) {
    if (isUsed()) return []
    throw error
  }
}

function lockedLevel(
  database: LevelDatabase,
  identity: string,
  damage: readonly NamedDamage[],
): LockedLevel {
  return {
    database,
    damage,
    async close() {
      await database.close()
      openFolders.delete(identity)
    },
  }
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true })
  return `${dev}:${ino}`
}

/** The library wraps what LevelDB said. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}
