/**
 * The bounded set of operations that are tried in every order: each kind with few arguments that
 * differ in what they make the filesystem do. `x` and `y` are two files, atomic or ordinary.
 */
import type { Operation } from './operations.ts'

/** A file that a choice is about. */
export interface Role {
  readonly path: string
  readonly handle: string
  readonly isAtomic: boolean
}

export interface Choice {
  readonly fileCount: 0 | 1 | 2
  /** Whether it is among those of which sequences of three are made. */
  readonly isCore: boolean
  readonly make: (x: Role, y: Role) => readonly Operation[]
}

/** As long as what spills to the disk at once. */
const LARGE = 70 * 4096

type Make = (x: Role, y: Role) => readonly Operation[]

const core = (fileCount: 0 | 1 | 2, make: Make): Choice => ({ fileCount, isCore: true, make })
const more = (fileCount: 0 | 1 | 2, make: Make): Choice => ({ fileCount, isCore: false, make })

const CONTENT: readonly Choice[] = [
  core(1, ({ handle }) => [{ type: 'write', handle, offset: 100, length: 3000, data: 11 }]),
  more(1, ({ handle }) => [{ type: 'write', handle, offset: 2000, length: 6000, data: 12 }]),
  core(1, ({ handle }) => [{ type: 'append', handle, length: 5000, data: 13 }]),
  core(1, ({ handle }) => [{ type: 'write', handle, offset: 0, length: LARGE, data: 14 }]),
  more(1, ({ handle }) => [{ type: 'truncate', handle, size: 20_000 }]),
  core(1, ({ handle }) => [{ type: 'truncate', handle, size: 5000 }]),
  more(1, ({ handle }) => [{ type: 'truncate', handle, size: 0 }]),
  core(1, ({ handle }) => [{ type: 'punch', handle, offset: 4096, length: 8192 }]),
  more(1, ({ handle }) => [{ type: 'punch', handle, offset: 3000, length: 3000 }]),
  more(1, ({ handle }) => [{ type: 'zero', handle, offset: 8000, length: 9000 }]),
  core(1, ({ handle }) => [{ type: 'store', handle, offset: 5000, length: 5000, data: 15 }]),
  more(1, ({ handle }) => [
    { type: 'map', handle },
    { type: 'close', handle },
  ]),
  more(1, ({ handle }) => [{ type: 'deliver', handle }]),
  core(1, ({ handle }) => [
    { type: 'write', handle: `${handle}2`, offset: 1000, length: 2000, data: 16 },
  ]),
  more(1, ({ path, handle }) => [{ type: 'reset', path, handle: `${handle}3`, process: 3 }]),
  more(1, ({ path }) => [{ type: 'resize', path, size: 7000 }]),
]

const swap = (x: Role, y: Role, at: number, otherAt: number, blocks: number): Operation => ({
  type: 'swap',
  handle: x.handle,
  other: y.handle,
  at,
  otherAt,
  blocks,
  durable: blocks === 0,
})

const CONTROL: readonly Choice[] = [
  core(1, ({ path, isAtomic }) => [{ type: 'atomic', path, on: !isAtomic }]),
  more(1, ({ path }) => [{ type: 'isolated', path, count: 4, data: 20 }]),
  more(1, ({ path }) => [{ type: 'isolated', path, count: 9, data: 21 }]),
  more(1, ({ path }) => [{ type: 'rollback', path }]),
  core(1, ({ handle }) => [{ type: 'start', handle }]),
  more(1, ({ handle }) => [{ type: 'startover', handle }]),
  core(1, ({ handle }) => [{ type: 'complete', handle }]),
  core(1, ({ handle }) => [{ type: 'abort', handle }]),
  more(1, ({ path }) => [{ type: 'commit', path }]),
  core(2, (x, y) => [{ type: 'gather', path: x.path, to: y.path }]),
  core(2, (x, y) => [swap(x, y, 0, 0, 0)]),
  more(2, (x, y) => [swap(y, x, 1, 0, 2)]),
  more(1, (x) => [swap(x, x, 0, 2, 1)]),
  more(1, ({ path }) => [{ type: 'onclose', path, policy: 'keep' }]),
  more(1, ({ path }) => [{ type: 'onclose', path, policy: 'discard' }]),
  more(1, ({ path }) => [{ type: 'xattr', path, length: 20, data: 17 }]),
  more(1, ({ path }) => [{ type: 'xattr', path, length: 9000, data: 18 }]),
  more(1, ({ path }) => [{ type: 'unxattr', path }]),
  more(1, ({ path }) => [{ type: 'chmod', path, mode: 0o600 }]),
]

const NAMES: readonly Choice[] = [
  more(1, ({ handle }) => [{ type: 'meanwhile', handle, path: '/m', turns: 1 }]),
  core(1, ({ path }) => [{ type: 'rename', path, to: '/n' }]),
  more(1, ({ path }) => [{ type: 'rename', path, to: '/d/n' }]),
  core(2, (x, y) => [{ type: 'rename', path: x.path, to: y.path }]),
  core(2, (x, y) => [{ type: 'exchange', path: x.path, to: y.path }]),
  core(1, ({ path }) => [{ type: 'link', path, to: '/l' }]),
  more(1, ({ path }) => [{ type: 'link', path, to: '/d/l' }]),
  core(1, ({ path }) => [{ type: 'unlink', path }]),
  core(0, () => [{ type: 'create', path: '/c', handle: 'c', process: 1 }]),
  more(0, () => [{ type: 'create', path: '/d/c', handle: 'dc', process: 1 }]),
  core(0, () => [{ type: 'mkdir', path: '/e' }]),
  more(0, () => [{ type: 'rmdir', path: '/e' }]),
  core(0, () => [{ type: 'rename', path: '/d', to: '/e' }]),
  more(1, ({ path }) => [{ type: 'exchange', path, to: '/d' }]),
  more(0, () => [{ type: 'atomic', path: '/d', on: true }]),
  more(0, () => [{ type: 'symlink', path: '/s' }]),
  core(0, () => [{ type: 'rework', path: '/d', data: 19 }]),
  more(0, () => [
    { type: 'rework', path: '/d', data: 20 },
    { type: 'reap' },
    { type: 'rework', path: '/d', data: 21 },
  ]),
]

const ENDS: readonly Choice[] = [
  core(1, ({ handle }) => [{ type: 'close', handle }]),
  more(1, ({ handle }) => [{ type: 'flush', handle }]),
  more(1, ({ handle }) => [{ type: 'share', handle, process: 2 }]),
  more(0, () => [{ type: 'exit', process: 1 }]),
  core(0, () => [{ type: 'kill', process: 1 }]),
  more(0, () => [{ type: 'kill', process: 2 }]),
]

const BACKGROUND: readonly Choice[] = [
  more(0, () => [{ type: 'writeback' }]),
  core(0, () => [{ type: 'checkpoint' }]),
  more(0, () => [{ type: 'background' }]),
  more(0, () => [{ type: 'reap' }]),
]

export const CHOICES: readonly Choice[] = [...CONTENT, ...CONTROL, ...NAMES, ...ENDS, ...BACKGROUND]
