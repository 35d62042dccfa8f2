/** copy_file_range(2): aligned blocks are shared, edges and the rest are copied. */
import { BLOCK_SIZE } from '../device/device.ts'
import { FsError } from '../errors.ts'
import { FILE_SIZE_MAX, isAtomic } from '../store/inode.ts'
import { stageCopy } from '../txn/copy.ts'
import { lockAll } from '../txn/lock.ts'
import { publish } from '../txn/publish.ts'
import { currentSize, readFile } from '../txn/read.ts'
import { ensureFork, stageWrite } from '../txn/stage.ts'
import type { FileState } from '../txn/shadow-fork.ts'
import { writersTurn } from '../txn/spill.ts'
import type { FsContext } from './context.ts'
import { relieveIfFull } from './data.ts'
import type { CopyRequest } from './operations.ts'
import { assertMutable } from './protection.ts'

/** What one call shares at most, and what it copies between two looks at the disk. */
const SHARED_BYTES_MAX = 256 * 1024 * 1024
const COPIED_BYTES = 1024 * 1024

/** Returns how many bytes were copied, 0 at the end of the source. Throws FsError. */
export async function copyRange(context: FsContext, request: CopyRequest): Promise<number> {
  const { engine, files } = context
  const source = files.handle(request.fh).view
  const target = files.handle(request.targetFh).view
  engine.health.assertWritable()
  assertMutable(engine.inodes.get(target.ino))
  await publishOrdinary(context, source)
  const unlock = await lockAll([source, target])
  let copied = 0
  try {
    const left = currentSize(engine, source) - request.offset
    const lengthBytes = Math.min(request.lengthBytes, left, SHARED_BYTES_MAX)
    if (lengthBytes <= 0) return 0
    checkRange(request, source.ino === target.ino, lengthBytes)
    copied = await copyLocked(context, { ...request, lengthBytes }, source, target)
    const isKept = context.kernel.ownsAttributes === true && !target.isIsolated
    if (!isKept) ensureFork(engine, target).touch(engine.clock())
  } finally {
    unlock()
  }
  if (target.isIsolated) {
    context.kernelAttributes.changed(target.ino, {})
    context.kernelAttributes.wrote(target.ino, request.targetOffset + copied)
  }
  await relieveIfFull(context, target)
  return copied
}

/** What is staged of an ordinary file can be shared once it is published, and nobody relies on when. */
async function publishOrdinary({ engine }: FsContext, file: FileState): Promise<void> {
  const inode = engine.inodes.get(file.ino)
  if (file.shadow !== undefined && !isAtomic(inode)) await publish(engine, file, { soon: false })
}

function checkRange(
  { offset, targetOffset }: CopyRequest,
  isSameFile: boolean,
  lengthBytes: number,
): void {
  if (targetOffset + lengthBytes > FILE_SIZE_MAX) {
    throw new FsError('EFBIG', `A file cannot be larger than ${FILE_SIZE_MAX}`)
  }
  if (isSameFile && Math.abs(offset - targetOffset) < lengthBytes) {
    throw new FsError('EINVAL', 'The ranges of a copy within one file overlap')
  }
}

async function copyLocked(
  context: FsContext,
  { offset, targetOffset, lengthBytes }: CopyRequest,
  source: FileState,
  target: FileState,
): Promise<number> {
  const { engine } = context
  const end = offset + lengthBytes
  const first = Math.ceil(offset / BLOCK_SIZE)
  // Behind the end of a file a block has zeros, so one that both files end in is shared whole.
  const endsBoth =
    end === currentSize(engine, source) && targetOffset + lengthBytes >= currentSize(engine, target)
  const last = endsBoth ? Math.ceil(end / BLOCK_SIZE) : Math.floor(end / BLOCK_SIZE)
  const isAligned = offset % BLOCK_SIZE === targetOffset % BLOCK_SIZE
  const copy = (from: number, to: number): Promise<void> =>
    copyBytes(engine, source, from, to, target, targetOffset + from - offset)
  if (!isAligned || last <= first) {
    await copy(offset, end)
    return lengthBytes
  }
  await copy(offset, first * BLOCK_SIZE)
  const targetFirst = (targetOffset + first * BLOCK_SIZE - offset) / BLOCK_SIZE
  const fork = ensureFork(engine, target)
  // What is staged behind the end would be lost with it, so the size comes first.
  fork.size = Math.max(fork.size, targetOffset + Math.min(last * BLOCK_SIZE, end) - offset)
  stageCopy(engine, source, first, target, targetFirst, last - first)
  await copy(Math.min(last * BLOCK_SIZE, end), end)
  return lengthBytes
}

async function copyBytes(
  engine: FsContext['engine'],
  source: FileState,
  from: number,
  to: number,
  target: FileState,
  targetOffset: number,
): Promise<void> {
  for (let at = from; at < to; at += COPIED_BYTES) {
    const pieces = await readFile(engine, source, at, Math.min(COPIED_BYTES, to - at))
    await writersTurn(engine)
    stageWrite(engine, target, targetOffset + at - from, Buffer.concat(pieces), { keepTime: true })
  }
}
