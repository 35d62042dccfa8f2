/**
 * Workloads as one line of text: `ring=256 space=0 timing=7: SETUP >> OPERATIONS`, where operations
 * are words with `;` between them, as `write a 100 3000 5`.
 */
import { invariant } from '../../../src/errors.ts'
import {
  type FieldKind,
  OPERATIONS,
  type Operation,
  type OperationType,
  POLICIES,
  type Workload,
  isOperation,
} from './operations.ts'

type FieldValue = string | number | boolean | readonly string[]

export function printWorkload(workload: Workload): string {
  const { ringBlocks, spaceBlocks, timing, setup, operations } = workload
  const head = `ring=${ringBlocks} space=${spaceBlocks} timing=${timing}`
  return `${head}: ${printOperations(setup)} >> ${printOperations(operations)}`
}

export function printOperations(operations: readonly Operation[]): string {
  return operations.map(printOperation).join('; ')
}

function printOperation({ type, ...fields }: Operation): string {
  const values: Readonly<Record<string, FieldValue>> = fields
  const words = Object.entries<FieldKind>(OPERATIONS[type]).map(([name, kind]) =>
    printField(name, kind, values[name]),
  )
  return [type, ...words].join(' ')
}

function printField(name: string, kind: FieldKind, value: FieldValue | undefined): string {
  if (kind === 'flag') return value === true ? 'on' : 'off'
  if (typeof value === 'object') return value.join(',')
  // Modes are read by people.
  if (name === 'mode' && typeof value === 'number') return `0${value.toString(8)}`
  return String(value)
}

/** Throws SyntaxError for a text that is no workload. */
export function parseWorkload(text: string): Workload {
  const parts = /^ring=(\d+) space=(\d+) timing=(\d+):(.*)>>(.*)$/.exec(text.trim())
  if (parts === null) {
    throw new SyntaxError('A workload is "ring=N space=N timing=N: SETUP >> OPERATIONS"')
  }
  const [, ring, space, timing, setup = '', operations = ''] = parts
  return {
    ringBlocks: Number(ring),
    spaceBlocks: Number(space),
    timing: Number(timing),
    setup: parseOperations(setup),
    operations: parseOperations(operations),
  }
}

function parseOperations(text: string): Operation[] {
  const pieces = text.split(';').map((piece) => piece.trim())
  return pieces.filter((piece) => piece !== '').map(parseOperation)
}

function parseOperation(text: string): Operation {
  const [type = '', ...words] = text.split(/ +/)
  if (!isType(type)) throw new SyntaxError(`"${type}" is no operation, in "${text}"`)
  const fields = Object.entries<FieldKind>(OPERATIONS[type])
  if (fields.length !== words.length) {
    throw new SyntaxError(`"${type}" has ${fields.map(([name]) => name).join(', ')}: "${text}"`)
  }
  const values = fields.map(([name, kind], i) => [name, parseField(kind, words[i] ?? '')] as const)
  const operation = { type, ...Object.fromEntries(values) }
  invariant(isOperation(operation), 'what was read field by field is an operation')
  return operation
}

function isType(word: string): word is OperationType {
  return Object.hasOwn(OPERATIONS, word)
}

function parseField(kind: FieldKind, word: string): FieldValue {
  switch (kind) {
    case 'number':
      if (!/^\d+$/.test(word)) throw new SyntaxError(`"${word}" is no number`)
      return /^0\d/.test(word) ? parseInt(word, 8) : Number(word)
    case 'flag':
      if (word !== 'on' && word !== 'off') throw new SyntaxError(`"${word}" is not on or off`)
      return word === 'on'
    case 'policy': {
      const policy = POLICIES.find((known) => known === word)
      if (policy === undefined) throw new SyntaxError(`"${word}" is no policy`)
      return policy
    }
    case 'names':
      return word.split(',')
    case 'path':
      if (!/^(\/[^/;>\s]+)+$/.test(word)) throw new SyntaxError(`"${word}" is no path`)
      return word
    case 'name':
      return word
  }
}
