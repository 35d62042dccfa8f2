/** Folder transactions, made on the filesystem and on the model, which sees nothing but the commit. */
import type { Filesystem } from '../../src/fs/filesystem.ts'
import { type Begun, abandon, begin, commit } from '../fs/folder-calls.ts'
import { inoAt, replaceTree } from './model.ts'
import { observeBelow, observeNode } from './observe.ts'
import type { Session } from './session.ts'

/** What is done in the copy of a folder. */
export type Work = (fs: Filesystem, copy: number) => Promise<void>

export async function copyFolder(session: Session, path: string, work: Work): Promise<Begun> {
  const { fs, oracle } = session
  const begun = await begin(fs, inoAt(oracle.live, path))
  await work(fs, begun.copy)
  return begun
}

/** Changes a folder with all that is in it in one durable commit. */
export async function changeFolder(session: Session, path: string, work: Work): Promise<void> {
  const begun = await copyFolder(session, path, work)
  await commitFolder(session, path, begun)
}

export async function commitFolder(session: Session, path: string, begun: Begun): Promise<void> {
  const { fs, oracle } = session
  const tree = await observeBelow(fs, begun.copy, path)
  tree.names.set(path, begun.copy)
  tree.nodes.set(begun.copy, await observeNode(fs, begun.copy))
  await oracle.step({
    apply: (state) => {
      replaceTree(state, path, tree)
    },
    isDurable: true,
    run: () => commit(fs, begun),
  })
}

export function abandonFolder({ fs }: Session, begun: Begun): void {
  abandon(fs, begun)
}
