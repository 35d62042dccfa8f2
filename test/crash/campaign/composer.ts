/** Puts a workload together: before each operation it adds what that needs, as far as it is missing. */
import { applyEffect } from './effects.ts'
import type { Operation } from './operations.ts'
import { type HandleState, type Refusal, refusalOf } from './refusals.ts'
import { World } from './world.ts'

/** Operations that one may need before it, the needs of those included. */
const DEPTH_MAX = 6

export class Composer {
  readonly world: World
  readonly operations: Operation[] = []
  /** Files that are opted in whenever they are made. */
  private readonly atomicPaths: ReadonlySet<string>

  constructor(atomicPaths: ReadonlySet<string> = new Set(), isTight = false) {
    this.world = new World(isTight)
    this.atomicPaths = atomicPaths
  }

  /** Adds an operation with what it needs; returns false, and may add some of it, if it cannot be. */
  add(operation: Operation, depth = 0): boolean {
    for (let round = 0; round < DEPTH_MAX; round++) {
      const refusal = refusalOf(this.world, operation)
      if (refusal === undefined) {
        applyEffect(this.world, operation)
        this.operations.push(operation)
        return true
      }
      const fix = depth < DEPTH_MAX ? this.fixFor(refusal) : []
      if (fix.length === 0) return false
      for (const needed of fix) if (!this.add(needed, depth + 1)) return false
    }
    return false
  }

  /** What was added since the last call. */
  take(): Operation[] {
    return this.operations.splice(0)
  }

  private fixFor(refusal: Refusal): Operation[] {
    if ('missing' in refusal) return this.make(refusal.missing, refusal.path)
    if ('taken' in refusal) return this.remove(refusal.taken)
    if ('handle' in refusal) return this.bring(refusal.handle, refusal.should)
    if ('owner' in refusal) return [this.endOf(refusal.owner)]
    if ('idle' in refusal) {
      const handle = `a${refusal.idle}`
      return [{ type: 'open', path: '/a', handle, process: refusal.idle }]
    }
    return []
  }

  private make(kind: 'file' | 'directory' | 'attribute', path: string): Operation[] {
    if (kind === 'directory') return [{ type: 'mkdir', path }]
    if (kind === 'attribute') return [{ type: 'xattr', path, length: 20, data: 3 }]
    const handle = this.freeHandle(path)
    const isAtomic = this.atomicPaths.has(path)
    return [
      { type: 'create', path, handle, process: 1 },
      ...(isAtomic ? [{ type: 'atomic', path, on: true } as const] : []),
      { type: 'write', handle, offset: 0, length: 6000, data: 4 },
    ]
  }

  private remove(path: string): Operation[] {
    if (!this.world.isDirectory(path)) return [{ type: 'unlink', path }]
    const below = this.world.entriesOf(path).flatMap((entry) => this.remove(entry))
    return [...below, { type: 'rmdir', path }]
  }

  private bring(handle: string, should: HandleState): Operation[] {
    const known = this.world.handles.get(handle)
    const isOpen = known !== undefined && known.holders.size > 0
    const isMapped = known?.mapper !== undefined
    if (should === 'unmapped') return [{ type: 'unmap', handle }]
    if (isOpen) {
      if (should === 'mapped') return [{ type: 'map', handle }]
      if (should === 'late') return [{ type: 'flush', handle }]
      return [{ type: 'close', handle }]
    }
    // What is in the way of opening it.
    if (isMapped) return [{ type: 'unmap', handle }]
    if (known !== undefined) return [{ type: 'release', handle }]
    return should === 'gone' ? [] : [this.openingOf(handle)]
  }

  /** What ends the transaction of a handle. */
  private endOf(handle: string): Operation {
    const { holders, mapper } = this.world.handle(handle)
    if (holders.size > 0) return { type: 'complete', handle }
    return { type: mapper === undefined ? 'release' : 'unmap', handle }
  }

  /** A handle's name begins with the letter of its file, and may end with the process. */
  private openingOf(handle: string): Operation {
    const path = `/${handle.slice(0, 1)}`
    const process = Number(/\d$/.exec(handle)?.[0] ?? 1)
    if (this.world.isFile(path)) return { type: 'open', path, handle, process }
    return { type: 'create', path, handle, process }
  }

  private freeHandle(path: string): string {
    const base = path.replaceAll('/', '').slice(0, 2)
    if (!this.world.handles.has(base)) return base
    for (let i = 1; ; i++) if (!this.world.handles.has(`${base}.${i}`)) return `${base}.${i}`
  }
}
