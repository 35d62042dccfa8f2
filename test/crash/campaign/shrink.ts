/** Makes a workload that shows a fault as small as it can be while it still shows one. */
import { applyEffect } from './effects.ts'
import type { Finding } from './examine.ts'
import {
  type FieldKind,
  OPERATIONS,
  type Operation,
  type Workload,
  isOperation,
} from './operations.ts'
import { refusalOf } from './refusals.ts'
import { World } from './world.ts'

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
    for (const part of ['operations', 'setup'] as const) {
      for (let i = 0; i < this.best.workload[part].length; i++) {
        for (const name of numbersOf(this.best.workload[part][i])) await this.reduce(part, i, name)
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

/** Without the operations that would be left out because something before them is missing. */
export function withoutImpossible(workload: Workload): Workload {
  const world = new World(workload.spaceBlocks > 0)
  const isPossible = (operation: Operation): boolean => {
    if (refusalOf(world, operation) !== undefined) return false
    applyEffect(world, operation)
    return true
  }
  const setup = workload.setup.filter(isPossible)
  return { ...workload, setup, operations: workload.operations.filter(isPossible) }
}

/** Fields that are numbers and may be any. */
function numbersOf(operation: Operation | undefined): string[] {
  if (operation === undefined) return []
  return Object.entries<FieldKind>(OPERATIONS[operation.type])
    .filter(([name, kind]) => kind === 'number' && name !== 'process' && name !== 'mode')
    .map(([name]) => name)
}
