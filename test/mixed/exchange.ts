/** XFS's exchange ioctls, after ioctl_xfs_exchange_range(2) and docs/semantics.md. */
import { type Answers, type Model, type ModelHandle, OK } from './model.ts'
import type { Step } from './steps.ts'
import type { ModelFile } from './view.ts'

const BLOCK = 4096

export type ExchangeStep = Extract<Step, { readonly type: 'exchange' }>

/** What XFS_IOC_START_COMMIT has seen of a file. */
export interface ModelSample {
  readonly file: ModelFile
  readonly content: Buffer
  readonly changeCount: number
}

export function takeSample(file: ModelFile): ModelSample {
  return { file, content: file.shared.seen, changeCount: file.changeCount }
}

/** What is answered, and what both files have then, if anything changes and `writtenOnly` is not set. */
export function exchange(
  step: ExchangeStep,
  first: ModelHandle,
  second: ModelHandle,
  sample: ModelSample | undefined,
): { readonly answers: Answers; readonly contents?: readonly [Buffer, Buffer] } {
  const wrong = mistakes(step, first, second, sample)
  if (wrong.certain.length > 0) return { answers: [...wrong.certain, ...wrong.possible] }
  const contents = exchanged(step, first.view.seen, second.view.seen)
  if (step.dryRun || contents === undefined) return { answers: [...OK, ...wrong.possible] }
  return { answers: [...OK, ...wrong.possible], contents }
}

/** What holds after an exchange that was answered with 'ok'. */
export function apply(
  model: Model,
  step: ExchangeStep,
  first: ModelHandle,
  second: ModelHandle,
  [inFirst, inSecond]: readonly [Buffer, Buffer],
): void {
  for (const view of [first.view, second.view].flatMap((each) => model.withGroup(each))) {
    view.publish()
  }
  first.file.replace(inFirst)
  second.file.replace(inSecond)
  model.note()
  if (step.durable || first.access.syncs || second.access.syncs) model.makeDurable()
}

interface Mistakes {
  readonly certain: string[]
  readonly possible: string[]
}

function mistakes(
  step: ExchangeStep,
  first: ModelHandle,
  second: ModelHandle,
  sample: ModelSample | undefined,
): Mistakes {
  const certain: string[] = []
  const possible: string[] = []
  for (const { access, file, view } of [first, second]) {
    if (!access.reads || !access.writes || access.appends) certain.push('EBADF')
    if (file.isIsolated) certain.push('EOPNOTSUPP')
    if (view.transaction !== undefined) certain.push('EBUSY')
  }
  if (step.isCommit && !second.file.isIsolated) {
    const isSame = sample?.file === second.file && sample.content.equals(second.view.seen)
    if (!isSame) certain.push('EBUSY')
    else if (sample.changeCount !== second.file.changeCount) possible.push('EBUSY')
  }
  if (!isRangeRight(step, first, second)) certain.push('EINVAL')
  return { certain, possible }
}

function isRangeRight(step: ExchangeStep, first: ModelHandle, second: ModelHandle): boolean {
  const { firstOffset, secondOffset, toEnd } = step
  const lefts = [first.view.seen.length - firstOffset, second.view.seen.length - secondOffset]
  const [firstLeft = 0, secondLeft = 0] = lefts
  if (firstLeft < 0 || secondLeft < 0) return false
  if (firstOffset % BLOCK !== 0 || secondOffset % BLOCK !== 0) return false
  const length = toEnd ? Math.max(firstLeft, secondLeft) : step.length
  if (!toEnd && length > Math.min(firstLeft, secondLeft)) return false
  const isWhole = length % BLOCK === 0 || (length >= firstLeft && length >= secondLeft)
  if (!isWhole) return false
  if (first.file !== second.file) return true
  // Within one file there is one end only, so nothing can be said of two.
  if (toEnd) return length === 0
  return Math.abs(firstOffset - secondOffset) >= Math.ceil(length / BLOCK) * BLOCK
}

/** Undefined if nothing changes. */
function exchanged(
  { firstOffset, secondOffset, length, toEnd }: ExchangeStep,
  first: Buffer,
  second: Buffer,
): readonly [Buffer, Buffer] | undefined {
  const ends = toEnd ? [first.length, second.length] : [firstOffset + length, secondOffset + length]
  const [firstEnd, secondEnd] = ends
  const fromFirst = first.subarray(firstOffset, firstEnd)
  const fromSecond = second.subarray(secondOffset, secondEnd)
  if (fromFirst.length === 0 && fromSecond.length === 0) return undefined
  if (first === second) {
    const both = Buffer.from(first)
    both.set(fromSecond, firstOffset)
    both.set(fromFirst, secondOffset)
    return [both, both]
  }
  return [
    Buffer.concat([first.subarray(0, firstOffset), fromSecond, first.subarray(firstEnd)]),
    Buffer.concat([second.subarray(0, secondOffset), fromFirst, second.subarray(secondEnd)]),
  ]
}

/**
 * Holes of the first file are left out, and a block of zeros may be one: where there are zeros, both may
 * have kept what they had. Returns that for what was found, and else what a whole exchange gives.
 */
export function adoptHoles(
  { firstOffset, secondOffset, length, toEnd }: ExchangeStep,
  before: readonly [Buffer, Buffer],
  whole: readonly [Buffer, Buffer],
  found: readonly [Buffer, Buffer],
): readonly [Buffer, Buffer] {
  const inFirst = Buffer.from(whole[0])
  const adopted = [inFirst, whole[0] === whole[1] ? inFirst : Buffer.from(whole[1])] as const
  const end = toEnd ? before[0].length - firstOffset : length
  for (let at = 0; at < end; at += BLOCK) {
    const count = Math.min(BLOCK, end - at)
    const [a, b] = [firstOffset + at, secondOffset + at]
    if (before[0].subarray(a, a + count).some((byte) => byte !== 0)) continue
    const isKept = hasSame(found[0], before[0], a) && hasSame(found[1], before[1], b)
    if (!isKept) continue
    found[0].subarray(a, a + BLOCK).copy(adopted[0], a)
    found[1].subarray(b, b + BLOCK).copy(adopted[1], b)
  }
  return adopted
}

/** Whether a block is as it was, as far as the file reaches now; behind its end there are zeros. */
function hasSame(now: Buffer, before: Buffer, at: number): boolean {
  const found = now.subarray(at, at + BLOCK)
  const expected = Buffer.alloc(found.length)
  before.subarray(at, at + found.length).copy(expected)
  return found.equals(expected)
}
