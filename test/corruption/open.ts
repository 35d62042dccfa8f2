/** A filesystem on a volume of the host, without a kernel, and what each of its files shows. */
import { pino } from 'pino'
import { FsError } from '../../src/errors.ts'
import { Filesystem } from '../../src/fs/filesystem.ts'
import type { OpenedVolume } from '../../src/volume/open.ts'
import { openVolumeAt } from '../../src/volume/path.ts'
import * as v from '../support/volume.ts'
import type { History } from './world.ts'

export function filesystemOn({ engine, orphans, hidden }: OpenedVolume): Filesystem {
  return new Filesystem({
    engine,
    orphans,
    hidden,
    kernel: v.NO_KERNEL,
    processes: new v.FakeProcesses(),
    options: { newFiles: 'ordinary', noAccessTimes: true },
    log: pino({ enabled: false }),
  })
}

/**
 * What a reader finds: the newest content, an older one, an error, or no such file; `WRONG` is what
 * must never be: bytes that nobody has written.
 */
export type Seen = 'right' | 'older' | 'error' | 'missing' | 'WRONG'

export type SeenFiles = ReadonlyMap<string, Seen>

/** Reads every file, page by page; 'refused' with the reason when the volume does not open. */
export async function lookAt(
  path: string,
  history: History,
): Promise<{ readonly seen: SeenFiles; readonly refused: string | undefined }> {
  const seen = new Map<string, Seen>()
  try {
    const volume = await openVolumeAt(path, true)
    try {
      const fs = filesystemOn(volume)
      for (const [name, versions] of history) seen.set(name, await lookAtFile(fs, name, versions))
    } finally {
      await volume.device.close()
    }
    return { seen, refused: undefined }
  } catch (error) {
    if (!(error instanceof FsError)) throw error
    for (const [name, versions] of history) {
      seen.set(name, versions.at(-1) === undefined ? 'right' : 'error')
    }
    return { seen, refused: error.message }
  }
}

async function lookAtFile(
  fs: Filesystem,
  path: string,
  versions: readonly (Buffer | undefined)[],
): Promise<Seen> {
  let content: Buffer | undefined
  try {
    content = await readPath(fs, path)
  } catch (error) {
    if (error instanceof FsError) return 'error'
    throw error
  }
  const isSame = (version: Buffer | undefined): boolean =>
    version === undefined ? content === undefined : content?.equals(version) === true
  if (isSame(versions.at(-1))) return 'right'
  if (content === undefined) return 'missing'
  return versions.some(isSame) ? 'older' : 'WRONG'
}

/** Undefined if there is no such file. */
async function readPath(fs: Filesystem, path: string): Promise<Buffer | undefined> {
  const [folder = '', name = ''] = path.split('/')
  const parent = folder === '' ? v.ROOT : fs.lookup(v.ROOT, folder)?.ino
  if (parent === undefined) return undefined
  const found = fs.lookup(parent, name)
  return found === undefined ? undefined : v.contentOf(fs, found.ino)
}
