/** Small changes of workloads and operations, for making them simpler. */
import { applyEffect } from './effects.ts'
import {
  type FieldKind,
  OPERATIONS,
  type Operation,
  type Workload,
  isOperation,
} from './operations.ts'
import { refusalOf } from './refusals.ts'
import { World } from './world.ts'

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

export function pathsOf(operation: Operation): string[] {
  const kinds = new Map<string, FieldKind>(Object.entries(OPERATIONS[operation.type]))
  return Object.entries(operation).flatMap(([name, value]) =>
    kinds.get(name) === 'path' ? [String(value)] : [],
  )
}

export function withPath(operation: Operation, from: string, to: string): Operation {
  const kinds = new Map<string, FieldKind>(Object.entries(OPERATIONS[operation.type]))
  const fields = Object.entries(operation).map(([name, value]): [string, unknown] => {
    const isBelow = value === from || String(value).startsWith(`${from}/`)
    if (kinds.get(name) !== 'path' || !isBelow) return [name, value]
    return [name, to + String(value).slice(from.length)]
  })
  const changed = { ...Object.fromEntries(fields), type: operation.type }
  return isOperation(changed) ? changed : operation
}

/** Fields that are numbers and may be any. */
export function numbersOf(operation: Operation | undefined): string[] {
  if (operation === undefined) return []
  return Object.entries<FieldKind>(OPERATIONS[operation.type])
    .filter(([name, kind]) => kind === 'number' && name !== 'process' && name !== 'mode')
    .map(([name]) => name)
}
