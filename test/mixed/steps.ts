/**
 * What a run consists of: plain steps that name files, handles and processes by small numbers, so that
 * any of them can be left out. A step whose handle is not open is passed over.
 */
import type { Random } from '../support/random.ts'

export const MODES = ['ordinary', 'shared', 'isolated'] as const
export type Mode = (typeof MODES)[number]
export const ON_CLOSE = ['publish', 'discard', 'keep'] as const
export type OnClose = (typeof ON_CLOSE)[number]
/** How a process lets go of a descriptor: by close(2), or by its own end. */
export type End = 'closes' | 'exits' | 'dies'
export type Ioctl = 'START' | 'COMMIT' | 'ABORT' | 'REPLACE'

export const FILE_NAMES = ['a', 'b'] as const
export const PROCESS_COUNT = 3

export type Step =
  | {
      readonly type: 'open'
      readonly slot: number
      readonly file: number
      readonly process: number
      readonly how: 'r' | 'rw' | 'sync' | 'append' | 'truncate'
    }
  /** Opens a file without a name. */
  | { readonly type: 'temporary'; readonly slot: number; readonly process: number }
  | { readonly type: 'close'; readonly slot: number }
  /** A process that has inherited a descriptor of a handle, or another one of it, lets go of that. */
  | { readonly type: 'flush'; readonly slot: number; readonly process: number; readonly end: End }
  /** A process ends, with all that it has open; one that is killed maybe in the middle of a write. */
  | {
      readonly type: 'end'
      readonly process: number
      readonly end: 'exits' | 'dies'
      readonly writes: boolean
    }
  | {
      readonly type: 'write'
      readonly slot: number
      readonly process?: number
      readonly at: number
      readonly length: number
      readonly seed: number
    }
  | { readonly type: 'truncate'; readonly slot: number; readonly size: number }
  | { readonly type: 'truncateByName'; readonly file: number; readonly size: number }
  | {
      readonly type: 'allocate'
      readonly slot: number
      readonly what: 'fill' | 'punch' | 'zero' | 'collapse'
      readonly keepSize: boolean
      readonly at: number
      readonly length: number
    }
  | {
      readonly type: 'copy'
      readonly slot: number
      readonly from: number
      readonly at: number
      readonly to: number
      readonly length: number
    }
  | { readonly type: 'fsync'; readonly slot: number }
  | { readonly type: 'mode'; readonly file: number; readonly mode: Mode }
  | { readonly type: 'onClose'; readonly file: number; readonly onClose: OnClose }
  | { readonly type: 'group'; readonly file: number; readonly group: string | undefined }
  | { readonly type: 'commit' | 'rollback'; readonly file: number; readonly process: number }
  | { readonly type: 'commitFiles'; readonly files: readonly number[]; readonly process: number }
  | { readonly type: 'ioctl'; readonly slot: number; readonly call: Ioctl }
  /** XFS_IOC_START_COMMIT. */
  | { readonly type: 'sample'; readonly slot: number }
  | {
      readonly type: 'exchange'
      readonly slot: number
      readonly first: number
      readonly firstOffset: number
      readonly secondOffset: number
      readonly length: number
      readonly toEnd: boolean
      readonly durable: boolean
      readonly dryRun: boolean
      readonly writtenOnly: boolean
      /** XFS_IOC_COMMIT_RANGE with the last sample. */
      readonly isCommit: boolean
    }
  | { readonly type: 'writeBack' }
  | { readonly type: 'checkpoint'; readonly waits: boolean }
  | { readonly type: 'unmount' }
  /** The machine or the daemon dies, maybe in the middle of the step before. */
  | { readonly type: 'crash'; readonly seed: number; readonly isInside: boolean }

const SLOT_COUNT = 6
const BLOCK = 4096
/** A file cannot be isolated for as long as it is open, nor stop being so. */
const LIKELY_MODES = ['ordinary', 'shared', 'shared', 'isolated'] as const
const OFFSET_MAX = 24 * BLOCK

type Choose = (random: Random) => Step | readonly Step[]

const slot = (random: Random): number => random.int(SLOT_COUNT)
const file = (random: Random): number => random.int(FILE_NAMES.length)
const process = (random: Random): number => random.int(PROCESS_COUNT)

function offset(random: Random): number {
  if (random.oneIn(2)) return random.int(OFFSET_MAX / BLOCK) * BLOCK
  return random.oneIn(2) ? random.int(OFFSET_MAX) : random.int(200)
}

function length(random: Random): number {
  if (random.oneIn(20)) return (64 + random.int(16)) * BLOCK
  if (random.oneIn(4)) return 1 + random.int(6 * BLOCK)
  return random.oneIn(3) ? (1 + random.int(4)) * BLOCK : 1 + random.int(64)
}

const write = (random: Random): Step => ({
  type: 'write',
  slot: slot(random),
  ...(random.oneIn(10) && { process: process(random) }),
  at: offset(random),
  length: length(random),
  seed: random.next(),
})

const exchange = (random: Random): Step & { readonly type: 'exchange' } => ({
  type: 'exchange',
  slot: slot(random),
  first: slot(random),
  firstOffset: random.int(4) * BLOCK + (random.oneIn(30) ? 1 : 0),
  secondOffset: random.int(3) * BLOCK,
  length: random.oneIn(10) ? random.int(5 * BLOCK) : random.int(5) * BLOCK,
  toEnd: random.oneIn(3),
  durable: random.oneIn(3),
  dryRun: random.oneIn(15),
  writtenOnly: random.oneIn(6),
  isCommit: random.oneIn(8),
})

/** What XFS_IOC_START_COMMIT and XFS_IOC_COMMIT_RANGE are for, at times with somebody in between. */
function commitExchange(random: Random): Step[] {
  const sample: Step = { type: 'sample', slot: slot(random) }
  const between = random.oneIn(3) ? [write(random)] : []
  return [sample, ...between, { ...exchange(random), slot: sample.slot, isCommit: true }]
}

const WEIGHTS: readonly (readonly [times: number, choose: Choose])[] = [
  [
    50,
    (random) => ({
      type: 'open',
      slot: slot(random),
      file: file(random),
      process: process(random),
      how: random.pick(['r', 'rw', 'rw', 'rw', 'rw', 'sync', 'append', 'truncate'] as const),
    }),
  ],
  [3, (random) => ({ type: 'temporary', slot: slot(random), process: process(random) })],
  [5, (random) => ({ type: 'close', slot: slot(random) })],
  [
    2,
    (random) => ({
      type: 'flush',
      slot: slot(random),
      process: process(random),
      end: random.pick(['closes', 'exits', 'dies'] as const),
    }),
  ],
  [
    2,
    (random) => ({
      type: 'end',
      process: process(random),
      end: random.oneIn(3) ? 'exits' : 'dies',
      writes: random.oneIn(2),
    }),
  ],
  [40, write],
  [6, (random) => ({ type: 'truncate', slot: slot(random), size: offset(random) })],
  [2, (random) => ({ type: 'truncateByName', file: file(random), size: offset(random) })],
  [
    5,
    (random) => ({
      type: 'allocate',
      slot: slot(random),
      what: random.oneIn(20) ? 'collapse' : random.pick(['fill', 'punch', 'zero'] as const),
      keepSize: random.oneIn(2),
      at: offset(random),
      length: length(random),
    }),
  ],
  [
    5,
    (random) => ({
      type: 'copy',
      slot: slot(random),
      from: slot(random),
      at: offset(random),
      to: offset(random),
      length: length(random),
    }),
  ],
  [7, (random) => ({ type: 'fsync', slot: slot(random) })],
  [4, (random) => ({ type: 'mode', file: file(random), mode: random.pick(LIKELY_MODES) })],
  [2, (random) => ({ type: 'onClose', file: file(random), onClose: random.pick(ON_CLOSE) })],
  [
    4,
    (random) => ({
      type: 'group',
      file: file(random),
      group: random.oneIn(4) ? undefined : random.pick(['g', 'g', 'h']),
    }),
  ],
  [2, (random) => ({ type: 'commit', file: file(random), process: process(random) })],
  [2, (random) => ({ type: 'rollback', file: file(random), process: process(random) })],
  [
    3,
    (random) => ({
      type: 'commitFiles',
      files: random.pick([[0, 1], [0, 1], [1, 0], [0], [1]]),
      process: process(random),
    }),
  ],
  [
    12,
    (random) => ({
      type: 'ioctl',
      slot: slot(random),
      call: random.pick([
        'START',
        'START',
        'START',
        'COMMIT',
        'COMMIT',
        'ABORT',
        'REPLACE',
      ] as const),
    }),
  ],
  [6, commitExchange],
  [16, exchange],
  [2, () => ({ type: 'writeBack' })],
  [2, (random) => ({ type: 'checkpoint', waits: random.oneIn(2) })],
  [1, () => ({ type: 'unmount' })],
  [2, (random) => ({ type: 'crash', seed: random.next(), isInside: random.oneIn(2) })],
]

/** How many times as often each kind comes in a run: what is rare in most is frequent in some. */
const FACTORS = [0, 1, 1, 4]

export function randomSteps(random: Random, count: number): Step[] {
  const choices = WEIGHTS.flatMap(([times, choose], i) => {
    const isNeeded = i === 0 || choose === write
    const factor = isNeeded ? 1 : random.pick(FACTORS)
    return Array.from({ length: times * factor }, () => choose)
  })
  return Array.from({ length: count }, () => random.pick(choices)(random)).flat()
}
