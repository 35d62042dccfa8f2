/**
 * The language of workloads: what programs, the kernel and the daemon's timers may do, as plain data.
 * One table says what each operation is made of; types, printer and parser follow from it.
 *
 *   handle     one open(); it has a name, and the process that opened it has a descriptor of it
 *   process    a small number; one that was ended begins anew when it is used again
 *   data       the seed of the bytes that are written
 */

export const OPERATIONS = {
  create: { path: 'path', handle: 'name', process: 'number' },
  open: { path: 'path', handle: 'name', process: 'number' },
  /** O_TRUNC. */
  reset: { path: 'path', handle: 'name', process: 'number' },
  /** A child inherits the descriptor. */
  share: { handle: 'name', process: 'number' },

  write: { handle: 'name', offset: 'number', length: 'number', data: 'number' },
  /** A few bytes of so many blocks, no two neighbours in one run: more than fits one commit. */
  scatter: { handle: 'name', blocks: 'number', data: 'number' },
  append: { handle: 'name', length: 'number', data: 'number' },
  truncate: { handle: 'name', size: 'number' },
  punch: { handle: 'name', offset: 'number', length: 'number' },
  zero: { handle: 'name', offset: 'number', length: 'number' },
  /** truncate(2), by name. */
  resize: { path: 'path', size: 'number' },

  map: { handle: 'name' },
  /** Stores through the mapping: the kernel keeps the dirty pages until something takes them. */
  store: { handle: 'name', offset: 'number', length: 'number', data: 'number' },
  /** The kernel writes back what it has dirty, because it wants to. */
  deliver: { handle: 'name' },
  unmap: { handle: 'name' },

  /** Several at the same time; of a handle that is mapped it may be msync. */
  fsync: { handles: 'names' },
  /** An fsync, and a mkdir of somebody else that begins so many turns of the event loop later. */
  meanwhile: { handle: 'name', path: 'path', turns: 'number' },
  fdatasync: { handle: 'name' },
  syncdir: {},

  close: { handle: 'name' },
  /** close(2) whose RELEASE is still on the way. */
  flush: { handle: 'name' },
  release: { handle: 'name' },
  exit: { process: 'number' },
  kill: { process: 'number' },

  atomic: { path: 'path', on: 'flag' },
  /** Handles of a file that is isolated for that time change and publish it. */
  isolated: { path: 'path', count: 'number', data: 'number' },
  onclose: { path: 'path', policy: 'policy' },
  rollback: { path: 'path' },
  commit: { path: 'path' },
  /** Both in one commit, by their names. */
  gather: { path: 'path', to: 'path' },
  /** The ioctls START_ATOMIC_WRITE, START_ATOMIC_REPLACE, COMMIT_ATOMIC_WRITE and ABORT_ATOMIC_WRITE. */
  start: { handle: 'name' },
  startover: { handle: 'name' },
  complete: { handle: 'name' },
  abort: { handle: 'name' },
  /** Blocks of two files change places; with no blocks, all to the ends of both. */
  swap: {
    handle: 'name',
    other: 'name',
    at: 'number',
    otherAt: 'number',
    blocks: 'number',
    durable: 'flag',
  },
  xattr: { path: 'path', length: 'number', data: 'number' },
  unxattr: { path: 'path' },
  /** Gives a directory large attributes, so many KiB in all, with checkpoints that store them. */
  fill: { path: 'path', size: 'number' },
  chmod: { path: 'path', mode: 'number' },

  rename: { path: 'path', to: 'path' },
  exchange: { path: 'path', to: 'path' },
  link: { path: 'path', to: 'path' },
  /** A directory is replaced by a copy in which the file `w` was made or written to. */
  rework: { path: 'path', data: 'number' },
  symlink: { path: 'path' },
  unlink: { path: 'path' },
  mkdir: { path: 'path' },
  rmdir: { path: 'path' },

  /** The periodic one, of ordinary files. */
  writeback: {},
  checkpoint: {},
  /** A checkpoint that goes on beside what follows. */
  background: {},
  /** Frees what was removed. */
  reap: {},
} as const

export const POLICIES = ['publish', 'discard', 'keep'] as const

interface FieldTypes {
  readonly path: string
  readonly name: string
  readonly names: readonly string[]
  readonly number: number
  readonly flag: boolean
  readonly policy: (typeof POLICIES)[number]
}

export type FieldKind = keyof FieldTypes
export type OperationType = keyof typeof OPERATIONS

type FieldsOf<Fields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends FieldKind ? FieldTypes[Fields[Name]] : never
}

export type OperationOf<Type extends OperationType> = { readonly type: Type } & FieldsOf<
  (typeof OPERATIONS)[Type]
>

export type Operation = { [Type in OperationType]: OperationOf<Type> }[OperationType]

/** Whether an object of a known type has the fields that the table says. */
export function isOperation(value: { readonly type: OperationType }): value is Operation {
  const { type, ...rest } = value
  const fields = new Map<string, unknown>(Object.entries(rest))
  const kinds = Object.entries<FieldKind>(OPERATIONS[type])
  return kinds.length === fields.size && kinds.every(([name, kind]) => isOf(kind, fields.get(name)))
}

function isOf(kind: FieldKind, value: unknown): boolean {
  switch (kind) {
    case 'number':
      return typeof value === 'number'
    case 'flag':
      return typeof value === 'boolean'
    case 'names':
      return Array.isArray(value)
    case 'path':
    case 'name':
    case 'policy':
      return typeof value === 'string'
  }
}

/** A volume and what is done to it. Crashes are tried from the end of the setup on. */
export interface Workload {
  readonly ringBlocks: number
  /** How many blocks the volume can have; 0 for as many as it wants. */
  readonly spaceBlocks: number
  /** Seed of how long the device takes for each call; 0: always as short as can be. */
  readonly timing: number
  readonly setup: readonly Operation[]
  readonly operations: readonly Operation[]
}
