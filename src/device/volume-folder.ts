/**
 * Makes a volume's folder. The superblock, which the caller writes last, is what makes the volume a
 * finished one; whatever a crash leaves before that is recognised and made again.
 */
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { FsError } from '../errors.ts'
import { allocateAligned } from './aligned-memory.ts'
import { Ballast } from './ballast.ts'
import { BLOCK_SIZE } from './device.ts'
import { syncPath } from './file-io.ts'
import { codeOf, onHost } from './host-error.ts'
import { newLayout, type VolumePaths } from './layout.ts'
import { hasDatabase, openLevel, type LockedLevel } from './open-level.ts'
import { readSuperblockCopy } from './superblock-copies.ts'

const ZERO_BYTES = 1024 * 1024
const PARTS: ReadonlySet<string> = new Set(['blocks', 'index', 'ballast'])
const { O_CREAT, O_DIRECT, O_TRUNC, O_WRONLY } = constants

/** Makes the folder and all that is in it, durably. Returns the index, open and so locked. */
export async function makeVolume(
  paths: VolumePaths,
  ringBlocks: number,
  ballastBytes: number,
): Promise<LockedLevel> {
  const { folder } = paths
  onHost('make', folder, () => {
    takeFolder(paths)
  })
  const level = await makeIndex(paths)
  try {
    const sizeBytes = (newLayout(ringBlocks).dataStart + 1) * BLOCK_SIZE
    onHost('write', paths.blocks, () => {
      writeZeros(paths.blocks, sizeBytes)
    })
    new Ballast(paths.ballast, folder, ballastBytes).take()
    onHost('flush', folder, () => {
      syncFolder(paths)
    })
    return level
  } catch (error) {
    await level.close()
    throw error
  }
}

/** Leaves a folder whose `blocks` marks it as a volume under way. */
function takeFolder(paths: VolumePaths): void {
  mkdirSync(paths.folder, { recursive: true })
  const names = readdirSync(paths.folder)
  if (names.length === 0) {
    closeSync(openSync(paths.blocks, 'wx'))
    syncPath(paths.folder)
    return
  }
  const isVolume = names.includes('blocks') && names.every((name) => PARTS.has(name))
  if (!isVolume) {
    throw new FsError('ENOTEMPTY', `Cannot make volume "${paths.folder}": the folder is not empty`)
  }
  if (isUnfinished(paths.blocks)) return
  throw new FsError('EEXIST', `Cannot make volume "${paths.folder}": there is one already`)
}

/** Whether no superblock was ever written. */
export function isUnfinished(blocksPath: string): boolean {
  const fd = openSync(blocksPath, 'r')
  try {
    return ([0, 1] as const).every((copy) =>
      readSuperblockCopy(fd, blocksPath, copy).every((byte) => byte === 0),
    )
  } finally {
    closeSync(fd)
  }
}

/** A new database; what a crash left of an earlier one may not even open. */
async function makeIndex(paths: VolumePaths): Promise<LockedLevel> {
  if (hasDatabase(paths.index)) await checkUnused(paths.index)
  onHost('make', paths.index, () => {
    rmSync(paths.index, { recursive: true, force: true })
    mkdirSync(paths.index)
  })
  return openLevel(paths.index, 'create')
}

async function checkUnused(index: string): Promise<void> {
  try {
    const level = await openLevel(index, 'open')
    await level.close()
  } catch (error) {
    if (codeOf(error) === 'EBUSY') throw error
  }
}

/** Really writes zeros: allocated but unwritten space costs a metadata flush with each write. */
function writeZeros(path: string, sizeBytes: number): void {
  const zeros = allocateAligned(ZERO_BYTES)
  const fd = openForZeros(path)
  try {
    for (let at = 0; at < sizeBytes;) {
      at += writeSync(fd, zeros, 0, Math.min(ZERO_BYTES, sizeBytes - at), at)
    }
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function openForZeros(path: string): number {
  const flags = O_WRONLY | O_CREAT | O_TRUNC
  try {
    return openSync(path, flags | O_DIRECT)
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error
    return openSync(path, flags)
  }
}

/** The LOCK file stays untouched: see `openLevel`. */
function syncFolder(paths: VolumePaths): void {
  for (const name of readdirSync(paths.index)) {
    const path = join(paths.index, name)
    if (name !== 'LOCK' && statSync(path).isFile()) syncPath(path)
  }
  syncPath(paths.index)
  syncPath(paths.folder)
  syncPath(dirname(paths.folder))
}
