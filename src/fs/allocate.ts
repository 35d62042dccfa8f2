/** fallocate(2): setting space aside, punching holes and zeroing ranges. */
import { FsError } from '../errors.ts'
import { stageFill } from '../txn/fill.ts'
import { stagePunch } from '../txn/punch.ts'
import { currentSize } from '../txn/read.ts'
import { FILE_SIZE_MAX } from '../store/inode.ts'
import { ensureFork, stageTruncate } from '../txn/stage.ts'
import type { FsContext } from './context.ts'
import { assertWriter } from './file-table.ts'
import type { FileHandle } from './operations.ts'
import { assertMutable, assertWritableNow } from './protection.ts'

const KEEP_SIZE = 0x01
const PUNCH_HOLE = 0x02
const ZERO_RANGE = 0x10

/**
 * All that the kernel passes on. Space behind the end of a file (with KEEP_SIZE) is not set aside:
 * nothing can be there. Throws FsError ENOSPC, EOPNOTSUPP or EIO.
 */
export async function allocate(
  context: FsContext,
  fh: FileHandle,
  mode: number,
  offset: number,
  lengthBytes: number,
): Promise<void> {
  const { engine } = context
  const handle = context.files.handle(fh)
  const { view: file } = handle
  engine.health.assertWritable()
  assertWriter(handle)
  const inode = engine.inodes.get(file.ino)
  const isFill = (mode & ~KEEP_SIZE) === 0
  const isPunch = mode === (PUNCH_HOLE | KEEP_SIZE)
  const isZero = (mode & ~KEEP_SIZE) === ZERO_RANGE
  if (!isFill && !isPunch && !isZero)
    throw new FsError('EOPNOTSUPP', `fallocate mode ${mode} is not supported`)
  if (isFill) assertWritableNow(inode)
  else assertMutable(inode)
  const end = offset + lengthBytes
  if (!isPunch && end > FILE_SIZE_MAX) {
    throw new FsError('EFBIG', `A file cannot be larger than ${FILE_SIZE_MAX}`)
  }
  const unlock = await file.lock.acquire()
  try {
    const keepsSize = (mode & KEEP_SIZE) !== 0
    if (isFill) {
      const fillEnd = keepsSize ? Math.min(end, currentSize(engine, file)) : end
      if (fillEnd > offset) await stageFill(engine, file, offset, fillEnd)
    }
    if (!keepsSize && end > currentSize(engine, file))
      stageTruncate(engine, file, end, { keepTime: true })
    if (!isFill) await stagePunch(engine, file, offset, lengthBytes)
    const isKept = context.kernel.ownsAttributes === true && !file.isIsolated
    if (!isKept) ensureFork(engine, file).touch(engine.clock())
    if (file.isIsolated) context.kernelAttributes.changed(file.ino, {})
    if (file.isIsolated && !keepsSize) context.kernelAttributes.wrote(file.ino, end)
  } finally {
    unlock()
  }
}
