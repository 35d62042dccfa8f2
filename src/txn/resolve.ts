/** Where the current content of a file block is: the shadow forks first, then the data fork. */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import type { Engine } from './engine.ts'
import { mappedBlock, publishedBlock } from './published.ts'
import { type FileState, HOLE, type ShadowFork } from './shadow-fork.ts'

/** A page in memory, a block of the disk with its checksum, or nothing: zeros. */
export type Source =
  { readonly page: Uint8Array } | { readonly block: number; readonly checksum: number } | undefined

const ZERO_BLOCK = Buffer.alloc(BLOCK_SIZE)

/** Whether what lies below a fork would show content at a file block that the fork has nothing of. */
export function showsBelow(
  engine: Engine,
  file: FileState,
  fork: ShadowFork,
  fileBlock: number,
): boolean {
  if (fork.hides(fileBlock)) return false
  const { parent } = fork
  if (parent === undefined) return mappedBlock(engine, file, fileBlock) !== 0
  const block = parent.spilledBlock(fileBlock)
  if (parent.pages.has(fileBlock) || block !== 0) return block !== HOLE
  return showsBelow(engine, file, parent, fileBlock)
}

export function resolveBlock(engine: Engine, file: FileState, fileBlock: number): Source {
  for (let fork = file.shadow; fork !== undefined; fork = fork.parent) {
    const page = fork.pages.get(fileBlock)
    if (page !== undefined) return { page: page.data }
    const block = fork.spilledBlock(fileBlock)
    if (block === HOLE) return undefined
    if (block !== 0) return { block, checksum: fork.spilledChecksum(fileBlock) }
    if (fork.hides(fileBlock)) return undefined
  }
  return publishedBlock(engine, file, fileBlock)
}

/** The current content of a file block, as a view that must not be changed. Throws FsError EIO. */
export function readFileBlock(engine: Engine, file: FileState, fileBlock: number): Uint8Array {
  const source = resolveBlock(engine, file, fileBlock)
  if (source === undefined) return ZERO_BLOCK
  if ('page' in source) return source.page
  try {
    return engine.store.readBlock(source.block, source.checksum)
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    const place = { ino: file.ino, offset: fileBlock * BLOCK_SIZE, block: source.block }
    throw engine.damaged({ ...place, what: error.message })
  }
}
