/** Reads files as the disk has them, past the host's cache. */
import { constants } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { AlignedPool } from './aligned-memory.ts'
import { BLOCK_SIZE } from './device.ts'
import { codeOf } from './host-error.ts'

const pool = new AlignedPool()

/** The whole file; through the cache where the host has no direct I/O. */
export async function readFileDirect(path: string): Promise<Buffer> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_DIRECT)
    try {
      return await readWhole(file)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'EINVAL') return readFile(path)
    throw error
  }
}

async function readWhole(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat()
  const room = pool.acquire(Math.max(1, Math.ceil(size / BLOCK_SIZE)) * BLOCK_SIZE)
  try {
    let at = 0
    while (at < size) {
      // Aligned: only the end of a file is read short.
      const { bytesRead } = await file.read(room, at, room.length - at, at)
      if (bytesRead === 0) break
      at += bytesRead
      if (bytesRead % BLOCK_SIZE !== 0) break
    }
    return Buffer.from(room.subarray(0, Math.min(at, size)))
  } finally {
    pool.release(room)
  }
}
