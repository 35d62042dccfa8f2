/** Makes a workload that shows a fault as small as it can be while it still shows one. */
import { numbersOf, pathsOf, withPath, withoutImpossible } from './edits.ts'
import type { Finding } from './examine.ts'
import { type Operation, type Workload, isOperation } from './operations.ts'

export interface Failure {
  readonly workload: Workload
  readonly finding: Finding
}

export interface ShrinkOptions {
  /** Examines a workload as the one was that failed. */
  readonly examine: (workload: Workload) => Promise<Finding | undefined>
  /** Whether no more time is to be spent. */
  readonly isOver: () => boolean
}

const SHORT_PATHS = ['/a', '/b', '/c', '/d', '/e', '/f', '/g', '/h', '/i', '/j']

export async function shrink(failure: Failure, options: ShrinkOptions): Promise<Failure> {
  const shrinker = new Shrinker(failure, options)
  while (!options.isOver()) {
    const before = shrinker.best
    await shrinker.dropOperations('operations')
    await shrinker.dropOperations('setup')
    await shrinker.simplify()
    if (shrinker.best === before) break
  }
  return shrinker.best
}

class Shrinker {
  best: Failure
  private readonly options: ShrinkOptions

  constructor(failure: Failure, options: ShrinkOptions) {
    this.best = { ...failure, workload: withoutImpossible(failure.workload) }
    this.options = options
  }

  /** Leaves out halves, quarters, and so on down to single operations, the last ones first. */
  async dropOperations(part: 'setup' | 'operations'): Promise<void> {
    for (let size = this.best.workload[part].length; size >= 1; size = Math.floor(size / 2)) {
      let end = this.best.workload[part].length
      while (end > 0) {
        const list = this.best.workload[part]
        const rest = [...list.slice(0, Math.max(0, end - size)), ...list.slice(end)]
        await this.accept({ ...this.best.workload, [part]: rest })
        end = Math.min(end - size, this.best.workload[part].length)
      }
    }
  }

  /** The plainest volume and the smallest numbers. */
  async simplify(): Promise<void> {
    for (const plain of [{ timing: 0 }, { spaceBlocks: 0 }, { ringBlocks: 256 }]) {
      await this.accept({ ...this.best.workload, ...plain })
    }
    await this.flattenPaths()
    for (const part of ['operations', 'setup'] as const) {
      await this.dropHandles(part)
      for (let i = 0; i < this.best.workload[part].length; i++) {
        for (const name of numbersOf(this.best.workload[part][i])) await this.reduce(part, i, name)
      }
    }
  }

  /** Short names in the root for all that have longer ones. */
  private async flattenPaths(): Promise<void> {
    const { setup, operations } = this.best.workload
    const paths = new Set([...setup, ...operations].flatMap(pathsOf))
    for (const path of paths) {
      const free = SHORT_PATHS.find((name) => !paths.has(name))
      if (path.length <= 2 || free === undefined) continue
      paths.add(free)
      const renamed = (list: readonly Operation[]): Operation[] =>
        list.map((operation) => withPath(operation, path, free))
      const { workload } = this.best
      const { setup: first, operations: rest } = workload
      await this.accept({ ...workload, setup: renamed(first), operations: renamed(rest) })
    }
  }

  /** An fsync of several files becomes one of fewer. */
  private async dropHandles(part: 'setup' | 'operations'): Promise<void> {
    for (let i = 0; i < this.best.workload[part].length; i++) {
      const operation = this.best.workload[part][i]
      if (operation?.type !== 'fsync') continue
      let { handles } = operation
      for (const handle of operation.handles) {
        const fewer = handles.filter((other) => other !== handle)
        if (fewer.length === 0) break
        const list = this.best.workload[part].with(i, { type: 'fsync', handles: fewer })
        if (await this.accept({ ...this.best.workload, [part]: list })) handles = fewer
      }
    }
  }

  /** A number of an operation becomes the smallest of some that still does. */
  private async reduce(part: 'setup' | 'operations', i: number, name: string): Promise<void> {
    for (const value of [0, 1, 100, 4096]) {
      const list = this.best.workload[part]
      const operation = list[i]
      if (operation === undefined) return
      const now = new Map<string, unknown>(Object.entries(operation)).get(name)
      if (typeof now !== 'number' || now <= value) return
      if (name === 'length' && value === 0) continue
      const changed = { ...operation, [name]: value }
      if (!isOperation(changed)) return
      if (await this.accept({ ...this.best.workload, [part]: list.with(i, changed) })) return
    }
  }

  private async accept(candidate: Workload): Promise<boolean> {
    if (this.options.isOver()) return false
    const workload = withoutImpossible(candidate)
    if (JSON.stringify(workload) === JSON.stringify(this.best.workload)) return false
    const finding = await this.options.examine(workload)
    if (finding === undefined) return false
    this.best = { workload, finding }
    return true
  }
}
