/**
 * What exists and what is open, without content: enough to say whether an operation is possible, and
 * what is missing if not.
 */
import { invariant } from '../../../src/errors.ts'
import type { Operation } from './operations.ts'
import { type Refusal, refusalOf } from './refusals.ts'

export interface WorldHandle {
  readonly node: number
  /** Processes that have a descriptor of it, the oldest first. */
  readonly holders: Set<number>
  /** Who has the file mapped through it. */
  mapper: number | undefined
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

  refusal(operation: Operation): Refusal | undefined {
    return refusalOf(this, operation)
  }

  node(path: string): number | undefined {
    return this.names.get(path)
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
    return ![...this.names.keys()].some((name) => name.startsWith(`${path}/`))
  }

  handle(name: string): WorldHandle {
    const handle = this.handles.get(name)
    invariant(handle !== undefined, `handle "${name}" is open`)
    return handle
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

  /** Requires: the operation is possible. */
  apply(operation: Operation): void {
    switch (operation.type) {
      case 'create':
        this.add(operation.path)
        this.open(operation.path, operation.handle, operation.process)
        break
      case 'open':
      case 'reset':
        this.open(operation.path, operation.handle, operation.process)
        break
      case 'share':
        this.handle(operation.handle).holders.add(operation.process)
        break
      case 'map':
        this.handle(operation.handle).mapper = [...this.handle(operation.handle).holders][0]
        break
      case 'unmap':
        this.handle(operation.handle).mapper = undefined
        this.dropIfUnused(operation.handle)
        break
      case 'close':
        this.closeOldest(operation.handle)
        this.dropIfUnused(operation.handle)
        break
      case 'flush':
        this.closeOldest(operation.handle)
        break
      case 'release':
        this.dropIfUnused(operation.handle)
        break
      case 'exit':
      case 'kill':
        this.endProcess(operation.process)
        break
      default:
        this.applyToNames(operation)
    }
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

  private dropIfUnused(name: string): void {
    if (this.isUnused(name)) this.handles.delete(name)
  }

  private endProcess(process: number): void {
    for (const name of this.handlesOfProcess(process)) {
      const handle = this.handle(name)
      handle.holders.delete(process)
      if (handle.mapper === process) handle.mapper = undefined
      this.dropIfUnused(name)
    }
  }

  private applyToNames(operation: Operation): void {
    const { names } = this
    switch (operation.type) {
      case 'mkdir':
        this.directories.add(this.add(operation.path))
        break
      case 'symlink':
        this.symlinks.add(this.add(operation.path))
        break
      case 'link':
        names.set(operation.to, this.names.get(operation.path) ?? ROOT)
        break
      case 'unlink':
      case 'rmdir':
        names.delete(operation.path)
        break
      case 'rename':
        this.move([[operation.path, operation.to]])
        break
      case 'exchange':
        this.move([
          [operation.path, operation.to],
          [operation.to, operation.path],
        ])
        break
      case 'xattr':
        this.attributed.add(names.get(operation.path) ?? ROOT)
        break
      case 'unxattr':
        this.attributed.delete(names.get(operation.path) ?? ROOT)
        break
      default:
    }
  }

  private add(path: string): number {
    const node = this.nodeCount++
    this.names.set(path, node)
    return node
  }

  private open(path: string, handle: string, process: number): void {
    const node = this.names.get(path) ?? ROOT
    this.handles.set(handle, { node, holders: new Set([process]), mapper: undefined })
  }

  /** Moves names, and with those of directories all below. */
  private move(moves: readonly (readonly [from: string, to: string])[]): void {
    const moved: [string, number][] = []
    for (const [from, to] of moves) {
      for (const [path, node] of this.names) {
        if (path !== from && !path.startsWith(`${from}/`)) continue
        moved.push([to + path.slice(from.length), node])
      }
    }
    for (const [from] of moves) {
      for (const path of [...this.names.keys()]) {
        if (path === from || path.startsWith(`${from}/`)) this.names.delete(path)
      }
    }
    for (const [path, node] of moved) this.names.set(path, node)
  }
}
