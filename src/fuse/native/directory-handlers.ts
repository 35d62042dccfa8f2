/** Operations on open directories. */
import koffi from 'koffi'
import type { DirectoryEntry } from '../../fs/operations.ts'
import type { Handler } from './edge.ts'
import { encodeEntryStat } from './encoders.ts'
import type { Frame } from './frame.ts'

/** libfuse's fuse_fill_dir_t. */
const FILLER = koffi.proto('int fuse_fill_dir(uintptr_t, void*, void*, int64_t)')

export const openDirectory: Handler = async (edge, { frame }) => {
  const ino = await edge.paths.ino(frame.path)
  frame.setHandle(edge.directories.add({ fh: await edge.filesystem.openDirectory(ino), ino }))
  return undefined
}

/** Gives libfuse the whole listing at once; it hands it out in pieces. */
export const readDirectory: Handler = async (edge, { frame }) => {
  const { fh } = edge.directories.get(frame.handle)
  for (const entry of await edge.filesystem.readDirectory(fh, 0)) {
    if (!fill(frame, entry)) return undefined
  }
  return undefined
}

/** Whether there is room for more. */
function fill({ directoryFiller, directoryBuffer }: Frame, entry: DirectoryEntry): boolean {
  const name = Buffer.from(`${entry.name}\0`, 'latin1')
  const result: unknown = koffi.call(
    directoryFiller,
    FILLER,
    directoryBuffer,
    name,
    encodeEntryStat(entry),
    0,
  )
  return result === 0
}

export const releaseDirectory: Handler = async (edge, call) => {
  await edge.filesystem.releaseDirectory(edge.directories.remove(call.number(1)).fh)
  return undefined
}

export const fsyncDirectory: Handler = async (edge, call) => {
  await edge.filesystem.fsyncDirectory(edge.directories.get(call.number(2)).fh)
  return undefined
}
