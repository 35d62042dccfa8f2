/** What exists and what is open, without content: enough to say whether an operation is possible. */
import { invariant } from '../../../src/errors.ts'

export interface WorldHandle {
  readonly node: number
  /** Processes that have a descriptor of it, the oldest first. */
  readonly holders: Set<number>
  /** Who has the file mapped through it. */
  mapper: number | undefined
  /** Whether a transaction was begun through it, and may still be open. */
  isOwner: boolean
}

const ROOT = 0

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

export class World {
  /** The root is ''. */
  readonly names = new Map<string, number>([['', ROOT]])
  readonly directories = new Set<number>([ROOT])
  readonly symlinks = new Set<number>()
  /** Nodes with an attribute of the user's own. */
  readonly attributed = new Set<number>()
  readonly handles = new Map<string, WorldHandle>()
  /** Whether the volume may be full at any time. */
  readonly isTight: boolean
  private nodeCount = 1

  constructor(isTight = false) {
    this.isTight = isTight
  }

  node(path: string): number | undefined {
    return this.names.get(path)
  }

  nodeAt(path: string): number {
    const node = this.names.get(path)
    invariant(node !== undefined, `"${path}" exists`)
    return node
  }

  isFile(path: string): boolean {
    const node = this.node(path)
    return node !== undefined && !this.directories.has(node) && !this.symlinks.has(node)
  }

  isDirectory(path: string): boolean {
    const node = this.node(path)
    return node !== undefined && this.directories.has(node)
  }

  isEmpty(path: string): boolean {
    return this.entriesOf(path).length === 0
  }

  /** Paths of what is directly in a directory. */
  entriesOf(path: string): string[] {
    const start = `${path}/`
    return [...this.names.keys()].filter(
      (name) => name.startsWith(start) && !name.includes('/', start.length),
    )
  }

  handle(name: string): WorldHandle {
    const handle = this.handles.get(name)
    invariant(handle !== undefined, `handle "${name}" is open`)
    return handle
  }

  /** The handle that has an open transaction of a file. */
  ownerOf(node: number): string | undefined {
    const owner = [...this.handles].find(([, handle]) => handle.node === node && handle.isOwner)
    return owner?.[0]
  }

  handlesOf(node: number): WorldHandle[] {
    return [...this.handles.values()].filter((handle) => handle.node === node)
  }

  /** Handles that a process has a descriptor or a mapping of. */
  handlesOfProcess(process: number): string[] {
    return [...this.handles]
      .filter(([, { holders, mapper }]) => holders.has(process) || mapper === process)
      .map(([name]) => name)
  }

  /** Takes a descriptor away from the process that has had it the longest; returns that. */
  closeOldest(name: string): number {
    const { holders } = this.handle(name)
    const [process] = holders
    invariant(process !== undefined, `handle "${name}" has a descriptor`)
    holders.delete(process)
    return process
  }

  isUnused(name: string): boolean {
    const { holders, mapper } = this.handle(name)
    return holders.size === 0 && mapper === undefined
  }

  dropIfUnused(name: string): void {
    if (this.isUnused(name)) this.handles.delete(name)
  }

  endProcess(process: number): void {
    for (const name of this.handlesOfProcess(process)) {
      const handle = this.handle(name)
      handle.holders.delete(process)
      if (handle.mapper === process) handle.mapper = undefined
      this.dropIfUnused(name)
    }
  }

  addNode(path: string): number {
    const node = this.nodeCount++
    this.names.set(path, node)
    return node
  }

  open(path: string, handle: string, process: number): void {
    this.handles.set(handle, {
      node: this.nodeAt(path),
      holders: new Set([process]),
      mapper: undefined,
      isOwner: false,
    })
  }

  /** A directory and all below it are others from now on; names from elsewhere stay with the old. */
  replaceTree(root: string): void {
    const copies = new Map<number, number>()
    for (const [path, node] of this.names) {
      if (path !== root && !path.startsWith(`${root}/`)) continue
      const copy = copies.get(node) ?? this.addNode(path)
      this.names.set(path, copy)
      copies.set(node, copy)
      for (const kind of [this.directories, this.symlinks, this.attributed]) {
        if (kind.has(node)) kind.add(copy)
      }
    }
  }

  /** Moves names, and with those of directories all below. */
  move(moves: readonly (readonly [from: string, to: string])[]): void {
    const moved: [string, number][] = []
    for (const [from, to] of moves) {
      for (const [path, node] of this.names) {
        if (path !== from && !path.startsWith(`${from}/`)) continue
        moved.push([to + path.slice(from.length), node])
      }
    }
    for (const [from] of moves) {
      for (const path of this.names.keys()) {
        if (path === from || path.startsWith(`${from}/`)) this.names.delete(path)
      }
    }
    for (const [path, node] of moved) this.names.set(path, node)
  }
}
