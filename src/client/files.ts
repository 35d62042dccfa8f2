/** What can be asked and said of one file by its path. */
import { STATE, assertOatomic, parseLines, read, remove, write } from './attributes.ts'
import { NotOatomicError } from './error.ts'

/** `shared`: all openers see what is staged. `isolated`: each has its own until it publishes. */
export type Mode = 'shared' | 'isolated'

/** What a clean close of the last writer does with what is staged. */
export type OnClose = 'publish' | 'discard' | 'keep'

export interface FileState {
  readonly isStaged: boolean
  readonly stagedBytes: number
  /** Sequence of the commit that published the content last. */
  readonly publishedSeq: number
  /** Sequence of the commit that what is staged is based on. */
  readonly baseSeq: number
  /** Name of the errno with which a write was lost, if so: then it can only be discarded. */
  readonly broken: string | undefined
}

/** All in bytes. */
export interface Limits {
  readonly transactionBytesMax: number
  readonly writeBytesMax: number
  readonly alignment: number
  readonly reservationFreeBytes: number
}

/** Whether a path is in a mounted volume. Throws OatomicError, as when there is no such file. */
export async function isOatomic(path: string): Promise<boolean> {
  return (await read(path, STATE)) !== undefined
}

/** How a file is atomic, or false. Throws OatomicError; NotOatomicError on another filesystem. */
export async function isAtomic(path: string): Promise<Mode | false> {
  await assertOatomic(path)
  const value = await read(path, 'user.atomic')
  if (value === undefined) return false
  return value === 'isolated' ? 'isolated' : 'shared'
}

/** Makes a file atomic, or a folder such that what is made in it is. Throws OatomicError. */
export async function enable(path: string, mode: Mode = 'shared'): Promise<void> {
  await write(path, 'user.atomic', mode)
}

/** Makes a file ordinary again; what is staged is published. Throws OatomicError. */
export async function disable(path: string): Promise<void> {
  await remove(path, 'user.atomic')
}

/** Throws OatomicError. */
export async function setOnClose(path: string, policy: OnClose): Promise<void> {
  await write(path, 'user.atomic.onclose', policy)
}

/** Enters a file into a group, which is published together; undefined takes it out. Throws OatomicError. */
export async function setGroup(path: string, name: string | undefined): Promise<void> {
  if (name === undefined) await remove(path, 'user.atomic.group')
  else await write(path, 'user.atomic.group', name)
}

/** Publishes what is staged; durable when it resolves. Throws OatomicError. */
export async function publish(path: string): Promise<void> {
  await write(path, 'user.atomic.commit', '1')
}

/** Drops what is staged, for everybody who has the file open. Throws OatomicError. */
export async function discard(path: string): Promise<void> {
  await write(path, 'user.atomic.rollback', '1')
}

/** Throws OatomicError; NotOatomicError on another filesystem. */
export async function state(path: string): Promise<FileState> {
  const fields = await readFields(path, STATE)
  return {
    isStaged: fields.get('state') === 'staged',
    stagedBytes: Number(fields.get('staged_bytes')),
    publishedSeq: Number(fields.get('published_seq')),
    baseSeq: Number(fields.get('base_seq')),
    broken: fields.get('broken'),
  }
}

/** Throws OatomicError; NotOatomicError on another filesystem. */
export async function limits(path: string): Promise<Limits> {
  const fields = await readFields(path, 'user.atomic.limits')
  return {
    transactionBytesMax: Number(fields.get('transaction_bytes_max')),
    writeBytesMax: Number(fields.get('write_bytes_max')),
    alignment: Number(fields.get('alignment')),
    reservationFreeBytes: Number(fields.get('reservation_free_bytes')),
  }
}

async function readFields(path: string, name: string): Promise<ReadonlyMap<string, string>> {
  const text = await read(path, name)
  if (text === undefined) throw new NotOatomicError(path)
  return parseLines(text)
}
