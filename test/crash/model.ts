/**
 * What a filesystem shows, as plain data: names, and what they lead to. Simple on purpose: the crash
 * tests trust this and nothing else.
 */

/** One file, directory or symbolic link. Never changed, only replaced. */
export interface Node {
  /** Type and permissions. */
  readonly mode: number
  /** Content of a file, target of a symbolic link. */
  readonly content: Uint8Array
  /** Extended attributes, one character for each byte of a value. */
  readonly xattrs: ReadonlyMap<string, string>
}

/** Paths begin with `/`; the root has none. */
export interface State {
  readonly names: Map<string, number>
  readonly nodes: Map<number, Node>
}

export const EMPTY = new Uint8Array(0)
const INHERITED = ['user.atomic', 'user.atomic.onclose']
export const NO_XATTRS: ReadonlyMap<string, string> = new Map()

export function emptyState(): State {
  return { names: new Map(), nodes: new Map() }
}

export function cloneState(state: State): State {
  return { names: new Map(state.names), nodes: new Map(state.nodes) }
}

export function nodeAt(state: State, path: string): Node {
  const node = state.nodes.get(inoAt(state, path))
  if (node === undefined) throw new Error(`The model has no "${path}"`)
  return node
}

export function inoAt(state: State, path: string): number {
  if (path === '') return 1
  const ino = state.names.get(path)
  if (ino === undefined) throw new Error(`The model has no name "${path}"`)
  return ino
}

/** Replaces some of what a node is. A file without a name may be gone already. */
export function changeNode(state: State, ino: number, changes: Partial<Node>): void {
  const node = state.nodes.get(ino)
  if (node !== undefined) state.nodes.set(ino, { ...node, ...changes })
}

/** Sets an attribute, or removes it where there is no value. */
export function changeXattr(state: State, ino: number, name: string, value?: string): void {
  const xattrs = new Map(state.nodes.get(ino)?.xattrs)
  if (value === undefined) xattrs.delete(name)
  else xattrs.set(name, value)
  changeNode(state, ino, { xattrs })
}

/** What a new file or directory takes over from its directory. */
export function inheritedXattrs(state: State, parent: number): ReadonlyMap<string, string> {
  const xattrs = state.nodes.get(parent)?.xattrs ?? NO_XATTRS
  return new Map([...xattrs].filter(([name]) => INHERITED.includes(name)))
}

/** Whether a file is opted in. One without a name counts as ordinary: nobody will see it again. */
export function isAtomicNode(state: State, ino: number): boolean {
  return state.nodes.get(ino)?.xattrs.has('user.atomic') === true
}

export function removeName(state: State, path: string): void {
  const ino = inoAt(state, path)
  state.names.delete(path)
  if (![...state.names.values()].includes(ino)) state.nodes.delete(ino)
}

/** Moves a name, and with a directory all names below it. */
export function moveName(state: State, from: string, to: string): void {
  if (inoAt(state, from) === state.names.get(to)) return
  if (state.names.has(to)) removeName(state, to)
  putBelow(state, to, takeBelow(state, from))
}

/** Two names, and all names below them, change places. */
export function exchangeNames(state: State, a: string, b: string): void {
  const [first, second] = [takeBelow(state, a), takeBelow(state, b)]
  putBelow(state, b, first)
  putBelow(state, a, second)
}

/** A directory with all below it is replaced by another, as `tree` has it under the same name. */
export function replaceTree(state: State, path: string, tree: State): void {
  const old = [...state.names.keys()].filter((each) => each === path || each.startsWith(`${path}/`))
  for (const each of old) removeName(state, each)
  for (const [each, ino] of tree.names) state.names.set(each, ino)
  for (const [ino, node] of tree.nodes) state.nodes.set(ino, node)
}

/** Takes away a name and all below it; the keys of what it returns are what follows the name. */
function takeBelow(state: State, from: string): Map<string, number> {
  const taken = new Map<string, number>()
  for (const [path, ino] of state.names) {
    if (path !== from && !path.startsWith(`${from}/`)) continue
    taken.set(path.slice(from.length), ino)
    state.names.delete(path)
  }
  return taken
}

function putBelow(state: State, to: string, taken: ReadonlyMap<string, number>): void {
  for (const [rest, ino] of taken) state.names.set(to + rest, ino)
}

/** What makes two states different, one line for each path; empty if they are the same. */
export function differences(expected: State, actual: State): string[] {
  const lines: string[] = []
  for (const path of new Set([...expected.names.keys(), ...actual.names.keys()])) {
    const [wanted, found] = [expected.names.get(path), actual.names.get(path)]
    if (wanted === undefined) lines.push(`${path}: should not be there`)
    else if (found === undefined) lines.push(`${path}: is missing`)
    else if (wanted !== found) lines.push(`${path}: is inode ${found}, not ${wanted}`)
    else lines.push(...nodeDifferences(path, expected.nodes.get(wanted), actual.nodes.get(found)))
  }
  return lines
}

function nodeDifferences(path: string, wanted?: Node, found?: Node): string[] {
  if (wanted === undefined || found === undefined) return [`${path}: has no node`]
  const lines: string[] = []
  if (wanted.mode !== found.mode) lines.push(`${path}: mode ${found.mode.toString(8)}`)
  if (listed(wanted.xattrs) !== listed(found.xattrs)) {
    lines.push(`${path}: xattrs ${listed(found.xattrs)}, not ${listed(wanted.xattrs)}`)
  }
  if (wanted.content.length !== found.content.length) {
    lines.push(`${path}: size ${found.content.length}, not ${wanted.content.length}`)
  } else if (Buffer.compare(wanted.content, found.content) !== 0) {
    const at = wanted.content.findIndex((byte, i) => byte !== found.content[i])
    lines.push(`${path}: content differs from byte ${at} on`)
  }
  return lines
}

function listed(xattrs: ReadonlyMap<string, string>): string {
  return [...xattrs]
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(' ')
}
