/** Operations of any kind on a few files, chosen by chance. */
import type { Random } from '../../support/random.ts'
import { type Operation, type OperationType, POLICIES } from './operations.ts'
import type { World } from './world.ts'

export const FILES = ['/a', '/b', '/c', '/d/a', '/d/b', `/d/${'n'.repeat(230)}`]
const DIRECTORIES = ['/d', '/e', '/d/e']
const SIZE_MAX = 600_000
const HANDLE_COUNT_MAX = 7
const PROCESS_COUNT = 3

/** Each kind as often as it stands here. */
const TYPES: readonly OperationType[] = [
  ...Array<OperationType>(8).fill('write'),
  ...Array<OperationType>(2).fill('append'),
  ...Array<OperationType>(2).fill('truncate'),
  'scatter',
  'punch',
  'zero',
  'resize',
  'map',
  'store',
  'store',
  'deliver',
  'unmap',
  ...Array<OperationType>(5).fill('fsync'),
  'meanwhile',
  'meanwhile',
  'fdatasync',
  'syncdir',
  ...Array<OperationType>(4).fill('open'),
  'create',
  'create',
  'reset',
  'share',
  ...Array<OperationType>(4).fill('close'),
  'flush',
  'release',
  'exit',
  'kill',
  'kill',
  'atomic',
  'atomic',
  'isolated',
  'isolated',
  'onclose',
  'rollback',
  'commit',
  'gather',
  'gather',
  ...Array<OperationType>(3).fill('start'),
  'startover',
  'complete',
  'complete',
  'abort',
  'abort',
  'swap',
  'swap',
  'xattr',
  'unxattr',
  'chmod',
  ...Array<OperationType>(3).fill('rename'),
  'exchange',
  'link',
  'symlink',
  'unlink',
  'unlink',
  'mkdir',
  'rmdir',
  'rework',
  'rework',
  'writeback',
  'writeback',
  'checkpoint',
  'checkpoint',
  'background',
  'reap',
]

export function openFile(path: string, random: Random): Operation {
  const handle = `h${random.int(1000)}`
  return { type: 'create', path, handle, process: 1 + random.int(PROCESS_COUNT) }
}

/** Of any type; whether it is possible, or can be made so, is for the composer. */
export function randomOperation(world: World, random: Random): Operation {
  const handles = [...world.handles.keys()]
  if (handles.length === 0) return reopen(world, random)
  const type = random.pick(TYPES)
  const handle = random.pick(handles)
  const path = random.pick(FILES)
  const any = random.pick([...FILES, ...DIRECTORIES])
  const data = random.int(1_000_000)
  switch (type) {
    case 'write':
    case 'store':
      return { type, handle, ...range(random), data }
    case 'scatter':
      return { type, handle, blocks: 1 + random.int(200), data }
    case 'append':
      return { type, handle, length: 1 + random.int(30_000), data }
    case 'truncate':
      return { type, handle, size: random.int(random.oneIn(2) ? SIZE_MAX : 30_000) }
    case 'punch':
    case 'zero':
      return { type, handle, ...range(random) }
    case 'resize':
      return { type, path, size: random.int(60_000) }
    case 'fsync':
      return { type, handles: [...new Set([handle, ...sometimes(random, handles)])] }
    case 'meanwhile':
      return { type, handle, path: random.pick(DIRECTORIES), turns: random.int(4) }
    case 'open':
    case 'create':
    case 'reset':
      if (handles.length >= HANDLE_COUNT_MAX) return { type: 'close', handle }
      return type === 'create' ? openFile(path, random) : { ...reopen(world, random), type }
    case 'share':
      return { type, handle, process: 1 + random.int(PROCESS_COUNT) }
    case 'exit':
    case 'kill':
      return { type, process: 1 + random.int(PROCESS_COUNT) }
    case 'atomic':
      return { type, path: random.oneIn(4) ? any : path, on: random.oneIn(2) }
    case 'isolated':
      return { type, path, count: 1 + random.int(12), data }
    case 'onclose':
      return { type, path, policy: random.pick(POLICIES) }
    case 'xattr':
      return { type, path: any, length: 1 + random.int(random.oneIn(4) ? 20_000 : 100), data }
    case 'chmod':
      return { type, path: any, mode: random.pick([0o600, 0o644, 0o755]) }
    case 'rename':
    case 'exchange':
    case 'link':
    case 'gather':
      return { type, path: any, to: random.pick([...FILES, ...DIRECTORIES]) }
    case 'swap': {
      const blocks = random.oneIn(3) ? 0 : 1 + random.int(60)
      const places = { at: random.int(20), otherAt: random.int(20), blocks }
      return { type, handle, other: random.pick(handles), ...places, durable: random.oneIn(2) }
    }
    case 'fill':
      return { type, path: random.pick(DIRECTORIES), size: random.int(200) }
    case 'rework':
      return { type, path: random.pick(DIRECTORIES), data }
    case 'mkdir':
    case 'rmdir':
      return { type, path: random.pick(DIRECTORIES) }
    case 'symlink':
      return { type, path: random.pick(['/s', '/d/s']) }
    case 'unxattr':
    case 'unlink':
    case 'rollback':
    case 'commit':
      return { type, path }
    case 'start':
    case 'startover':
    case 'complete':
    case 'abort':
    case 'map':
    case 'deliver':
    case 'unmap':
    case 'fdatasync':
    case 'close':
    case 'flush':
    case 'release':
      return { type, handle }
    case 'syncdir':
    case 'writeback':
    case 'checkpoint':
    case 'background':
    case 'reap':
      return { type }
  }
}

function reopen(world: World, random: Random): Operation & { readonly type: 'open' } {
  const files = [...world.names.keys()].filter((path) => world.isFile(path))
  const path = files.length === 0 ? '/a' : random.pick(files)
  const process = 1 + random.int(PROCESS_COUNT)
  return { type: 'open', path, handle: `h${random.int(1000)}`, process }
}

function sometimes(random: Random, handles: readonly string[]): string[] {
  return random.oneIn(3) ? random.shuffle(handles).slice(0, 2) : []
}

/** Mostly small, anywhere; at times large and at the edge of a block. */
function range(random: Random): { readonly offset: number; readonly length: number } {
  if (random.oneIn(5)) {
    const offset = random.int(40) * 4096
    return { offset, length: (16 + random.int(70)) * 4096 }
  }
  const offset = random.int(random.oneIn(3) ? SIZE_MAX : 40_000)
  return { offset, length: 1 + random.int(16_000) }
}
