/** Chooses what a crash leaves of a folder: see folder-history.ts. */
import type { Random } from '../support/random.ts'
import type { FileId } from './file-calls.ts'
import {
  type ContentChange,
  type FilePart,
  type FolderHistory,
  type NamesChange,
  type Pending,
  applyContent,
  withNames,
} from './folder-history.ts'
import { SparseFile } from './sparse-file.ts'

const PAGE_SIZE = 4096
const SECTOR_SIZE = 512
const LEVEL_NAME = /\/index\/[^/]+$/

export const FOLDER_CUTS = [
  'lost',
  'kept',
  'pages',
  'torn',
  'zeros',
  'prefix',
  'killed',
  'unordered',
] as const
export type FolderCut = (typeof FOLDER_CUTS)[number]

/** What there is of a folder; `undefined` is a folder. */
export type FolderState = ReadonlyMap<string, SparseFile | undefined>

export function cutFolder(history: FolderHistory, cut: FolderCut, random: Random): FolderState {
  const state = new Map<string, SparseFile | undefined>()
  const contents = new Map<FileId, SparseFile>()
  for (const [path, file] of chooseNames(history, cut, random)) {
    if (history.folders.has(file)) {
      state.set(path, undefined)
      continue
    }
    let content = contents.get(file)
    if (content === undefined) {
      content = chooseContent(history.part(file), cut, random)
      contents.set(file, content)
    }
    state.set(path, content)
  }
  return withoutStrays(state)
}

function chooseNames(
  { names, pendingNames }: FolderHistory,
  cut: FolderCut,
  random: Random,
): ReadonlyMap<string, FileId> {
  const changes = pendingNames.map(({ change }) => change)
  switch (cut) {
    case 'lost':
      return names
    case 'kept':
      return withNames(names, changes)
    case 'killed': {
      const there = pendingNames.filter(({ hasEnded }) => hasEnded || random.oneIn(2))
      return withNames(
        names,
        there.map(({ change }) => change),
      )
    }
    case 'unordered':
      return withNames(names, unordered(changes, random))
    case 'pages':
    case 'torn':
    case 'zeros':
    case 'prefix':
      return withNames(names, changes.slice(0, random.int(changes.length + 1)))
  }
}

/** Any changes without the others, but for LevelDB's, of which the last are missing. */
function unordered(changes: readonly NamesChange[], random: Random): NamesChange[] {
  const kept = random.int(changes.filter(isLevel).length + 1)
  let seen = 0
  return changes.flatMap((change) => {
    if (isLevel(change)) return seen++ < kept ? [change] : []
    const single = [...change.names].map((entry) => ({ ...change, names: new Map([entry]) }))
    return single.filter(() => random.oneIn(2))
  })
}

function isLevel({ names }: NamesChange): boolean {
  return [...names.keys()].every((name) => LEVEL_NAME.test(name))
}

function chooseContent(part: FilePart, cut: FolderCut, random: Random): SparseFile {
  const content = new SparseFile(part.durable)
  // Names are what this kind is about; content is as any other kind has it.
  const how = cut === 'unordered' ? random.pick(['lost', 'kept', 'torn'] as const) : cut
  const { pending } = part
  switch (how) {
    case 'lost':
      break
    case 'kept':
      for (const { change } of pending) applyContent(content, change)
      break
    case 'killed':
      for (const { change, hasEnded } of pending) {
        if (hasEnded) applyContent(content, change)
        else applyPart(content, change, SECTOR_SIZE, () => random.oneIn(2))
      }
      break
    case 'prefix':
      for (const { change } of pending.slice(0, random.int(pending.length + 1))) {
        applyContent(content, change)
      }
      break
    case 'pages':
    case 'torn':
    case 'zeros':
      applySome(content, pending, how, random)
  }
  return content
}

/** Parts of the writes since the file was last cut short, if that has happened, in any of its sizes. */
function applySome(
  content: SparseFile,
  pending: readonly Pending<ContentChange>[],
  how: 'pages' | 'torn' | 'zeros',
  random: Random,
): void {
  const cuts = pending.flatMap(({ change }, i) => (change.type === 'resize' ? [i] : []))
  const start = random.pick([-1, ...cuts])
  for (const { change } of pending.slice(0, start + 1)) applyContent(content, change)
  const end = cuts.find((cut) => cut > start) ?? pending.length
  const sizes = [content.size]
  const whole = new SparseFile(content)
  const chance = how === 'zeros' ? 0 : 1 + random.int(7)
  for (const { change } of pending.slice(start + 1, end)) {
    const unit = how === 'pages' ? PAGE_SIZE : SECTOR_SIZE
    applyPart(content, change, unit, () => random.int(8) < chance)
    applyContent(whole, change)
    sizes.push(whole.size)
  }
  content.resize(random.pick(sizes))
}

function applyPart(
  content: SparseFile,
  change: ContentChange,
  unit: number,
  isThere: () => boolean,
): void {
  if (change.type !== 'write') {
    applyContent(content, change)
    return
  }
  const { offset, data } = change
  for (let at = 0; at < data.length;) {
    const end = Math.min(data.length, at + unit - ((offset + at) % unit))
    if (isThere()) content.write(offset + at, data.subarray(at, end))
    at = end
  }
}

/** Without what is in a folder that is not there. */
function withoutStrays(state: Map<string, SparseFile | undefined>): FolderState {
  for (const path of [...state.keys()].toSorted()) {
    const folder = path.slice(0, path.lastIndexOf('/'))
    if (path !== '' && (!state.has(folder) || state.get(folder) !== undefined)) state.delete(path)
  }
  return state
}
