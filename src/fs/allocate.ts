/** fallocate(2): punching holes and zeroing ranges. */
import { FsError } from '../errors.ts'
import { stagePunch } from '../txn/punch.ts'
import { currentSize } from '../txn/read.ts'
import { stageTruncate } from '../txn/stage.ts'
import type { FsContext } from './context.ts'
import { assertWriter } from './file-table.ts'
import type { FileHandle } from './operations.ts'

const KEEP_SIZE = 0x01
const PUNCH_HOLE = 0x02
const ZERO_RANGE = 0x10

/**
 * Setting space aside for later writes is refused with EOPNOTSUPP: a write goes beside what it
 * replaces, so the space would not be the one it needs. posix_fallocate(3) then writes zeros itself.
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
  const { file } = handle
  engine.health.assertWritable()
  assertWriter(handle)
  const isPunch = mode === (PUNCH_HOLE | KEEP_SIZE)
  const isZero = (mode & ~KEEP_SIZE) === ZERO_RANGE
  if (!isPunch && !isZero)
    throw new FsError('EOPNOTSUPP', `fallocate mode ${mode} is not supported`)
  const unlock = await file.lock.acquire()
  try {
    const end = offset + lengthBytes
    if (isZero && (mode & KEEP_SIZE) === 0 && end > currentSize(engine, file)) {
      stageTruncate(engine, file, end)
    }
    await stagePunch(engine, file, offset, lengthBytes)
  } finally {
    unlock()
  }
}
