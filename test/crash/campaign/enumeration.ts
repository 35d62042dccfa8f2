/**
 * Every sequence of one, two and three choices, after the manner of ACE (Mohan et al., OSDI '18,
 * "Finding crash-consistency bugs with bounded black-box crash testing"): operations with few
 * arguments, then a persistence point after each, then what they need so that they are possible.
 *
 *   - The setup makes the files that are used, with content, and a checkpoint. With one and two
 *     operations `a` begins with nothing staged, or with something.
 *   - Files are alike but for being atomic or ordinary, so the first that is used is `a`: that
 *     leaves out sequences that only differ by the files' names.
 *   - Between operations nothing, an fsync of the file, or a checkpoint; at the end an fsync of the
 *     file, of the directory, or a checkpoint.
 *   - Three operations are of the choices that are marked, with nothing or an fsync between.
 */
import { invariant } from '../../../src/errors.ts'
import { CHOICES, type Choice, type Role } from './choices.ts'
import { Composer } from './composer.ts'
import type { Operation, Workload } from './operations.ts'

type Persistence = 'none' | 'fsync' | 'checkpoint' | 'syncdir'

/** A choice with its files: 'a', 'b', 'ab', 'ba' or none. */
interface Variant {
  readonly choice: Choice
  readonly files: string
}

interface Entry {
  readonly variants: readonly Variant[]
  /** Whether a is atomic, and b. */
  readonly kinds: readonly boolean[]
  /** Whether something is written to a and not published at the beginning. */
  readonly isStaged: boolean
}

const FILES_OF = [[''], ['a', 'b'], ['ab', 'ba']] as const
const SINGLES = [[true], [false]] as const
const PAIRS = [
  [true, true],
  [true, false],
  [false, true],
  [false, false],
] as const
const LAST: readonly Persistence[] = ['fsync', 'syncdir', 'checkpoint']

export class Enumeration {
  readonly length: number
  private readonly entries: readonly Entry[]
  private readonly between: readonly Persistence[]

  constructor(length: 1 | 2 | 3) {
    this.length = length
    this.between = length === 3 ? ['none', 'fsync'] : ['none', 'fsync', 'checkpoint']
    const choices = CHOICES.filter(({ isCore }) => isCore || length < 3)
    const variants = choices.flatMap((choice) =>
      FILES_OF[choice.fileCount].map((files) => ({ choice, files })),
    )
    this.entries = [...entriesOf(variants, length, [])]
  }

  /** How many sequences there are. */
  get count(): number {
    return this.entries.length * this.between.length ** (this.length - 1) * LAST.length
  }

  /** The sequence of a number; undefined for one whose operations cannot follow each other. */
  workload(index: number): Workload | undefined {
    const entry = this.entries[index % this.entries.length]
    invariant(entry !== undefined && index < this.count, 'the sequence exists')
    let rest = Math.floor(index / this.entries.length)
    const persistences = entry.variants.map((_, i): Persistence => {
      const points = i === this.length - 1 ? LAST : this.between
      const point = points[rest % points.length] ?? 'none'
      rest = Math.floor(rest / points.length)
      return point
    })
    return workloadOf(entry, persistences, index)
  }
}

function* entriesOf(
  variants: readonly Variant[],
  length: number,
  chosen: readonly Variant[],
): Generator<Entry> {
  if (length > 0) {
    for (const variant of variants) {
      const files = [...chosen, variant].map((each) => each.files).join('')
      if (!files.startsWith('b')) yield* entriesOf(variants, length - 1, [...chosen, variant])
    }
    return
  }
  const usesB = chosen.some(({ files }) => files.includes('b'))
  const kindsOf = usesB ? PAIRS : SINGLES
  for (const kinds of kindsOf) {
    yield { variants: chosen, kinds, isStaged: false }
    if (chosen.length < 3) yield { variants: chosen, kinds, isStaged: true }
  }
}

function workloadOf(
  { variants, kinds, isStaged }: Entry,
  persistences: readonly Persistence[],
  index: number,
): Workload | undefined {
  const roles = ['a', 'b'].map((handle, i) => roleOf(handle, kinds[i] ?? false))
  const used = roles.slice(0, kinds.length)
  const atomicPaths = used.filter(({ isAtomic }) => isAtomic).map(({ path }) => path)
  const composer = new Composer(new Set(atomicPaths))
  for (const role of used) for (const operation of setupOf(role)) composer.add(operation)
  composer.add({ type: 'checkpoint' })
  if (isStaged) composer.add(STAGED)
  const setup = composer.take()
  for (const [i, { choice, files }] of variants.entries()) {
    const [x, y] = files.startsWith('b') ? roles.toReversed() : roles
    invariant(x !== undefined, 'each choice has a file to persist')
    const all = [...choice.make(x, y ?? x), ...persistenceOf(persistences[i] ?? 'none', x)]
    for (const operation of all) if (!composer.add(operation)) return undefined
  }
  const timing = 1 + (index % 7)
  return { ringBlocks: 256, spaceBlocks: 0, timing, setup, operations: composer.take() }
}

const STAGED: Operation = { type: 'write', handle: 'a', offset: 6000, length: 9000, data: 3 }

function roleOf(handle: string, isAtomic: boolean): Role {
  return { path: `/${handle}`, handle, isAtomic }
}

function setupOf({ path, handle, isAtomic }: Role): Operation[] {
  return [
    { type: 'create', path, handle, process: 1 },
    { type: 'atomic', path, on: isAtomic },
    { type: 'write', handle, offset: 0, length: 13_000, data: handle === 'a' ? 1 : 2 },
    { type: 'fsync', handles: [handle] },
  ]
}

function persistenceOf(persistence: Persistence, { handle }: Role): Operation[] {
  if (persistence === 'none') return []
  if (persistence === 'fsync') return [{ type: 'fsync', handles: [handle] }]
  return [{ type: persistence }]
}
