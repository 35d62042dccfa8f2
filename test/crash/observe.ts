/** Reads a filesystem into the shape of the model. */
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { TYPE_DIRECTORY, TYPE_FILE, TYPE_MASK } from '../../src/store/inode.ts'
import { ROOT, contentOf } from '../support/volume.ts'
import { EMPTY, type Node, type State, emptyState } from './model.ts'

/** Everything under the root, content included. Throws FsError EIO for content that is damaged. */
export async function observe(fs: Filesystem): Promise<State> {
  return observeBelow(fs, ROOT, '')
}

/** Everything in a directory, which has this path. */
export async function observeBelow(fs: Filesystem, ino: number, path: string): Promise<State> {
  const state = emptyState()
  await observeDirectory(fs, state, ino, path)
  return state
}

async function observeDirectory(
  fs: Filesystem,
  state: State,
  ino: number,
  path: string,
): Promise<void> {
  const fh = fs.openDirectory(ino)
  for (const entry of await fs.readDirectory(fh, 0)) {
    if (entry.name === '.' || entry.name === '..') continue
    const child = `${path}/${entry.name}`
    state.names.set(child, entry.ino)
    if (!state.nodes.has(entry.ino)) state.nodes.set(entry.ino, await observeNode(fs, entry.ino))
    if (entry.type === TYPE_DIRECTORY) await observeDirectory(fs, state, entry.ino, child)
  }
  fs.releaseDirectory(fh)
}

export async function observeNode(fs: Filesystem, ino: number): Promise<Node> {
  const { mode } = await fs.getAttributes(ino)
  const type = mode & TYPE_MASK
  let content: Uint8Array = EMPTY
  if (type === TYPE_FILE) content = await contentOf(fs, ino)
  else if (type !== TYPE_DIRECTORY) content = fs.readLink(ino)
  return { mode, content, xattrs: await observeXattrs(fs, ino) }
}

async function observeXattrs(fs: Filesystem, ino: number): Promise<Map<string, string>> {
  const xattrs = new Map<string, string>()
  for (const name of await fs.listXattr(ino)) {
    xattrs.set(name, Buffer.from(await fs.getXattr(ino, name)).toString('latin1'))
  }
  return xattrs
}
