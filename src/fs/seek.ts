/** lseek(2) with SEEK_DATA and SEEK_HOLE; the other ways of seeking are the kernel's own. */
import { FsError } from '../errors.ts'
import { seekData, seekHole } from '../txn/seek.ts'
import type { FsContext } from './context.ts'
import type { FileHandle } from './operations.ts'

const SEEK_DATA = 3
const SEEK_HOLE = 4

/** Throws FsError ENXIO at or behind the end, EINVAL for another way of seeking. */
export async function seek(
  context: FsContext,
  fh: FileHandle,
  offset: number,
  whence: number,
): Promise<number> {
  const { file, view } = context.files.handle(fh)
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) {
    throw new FsError('EINVAL', `Cannot seek with whence ${whence}`)
  }
  // What only the kernel has yet is no hole.
  const isCached = context.files.writerCount(file) > 0 || file.isMappedAfterClose
  if (isCached && view === file) {
    await context.kernel.invalidate(file.ino)
  }
  const find = whence === SEEK_DATA ? seekData : seekHole
  return find(context.engine, view, offset)
}
