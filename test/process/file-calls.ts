/** What traced calls do to the files below one folder, without descriptors and numbers of threads. */
import { invariant } from '../../src/errors.ts'
import {
  type TraceEvent,
  type TracedCall,
  descriptorOf,
  numbersAtEnd,
  stringsIn,
} from './strace.ts'

/** A file or folder, by the object and not by its name. */
export type FileId = number

export type Change =
  /** `isDurable`: written with O_DSYNC, so durable when the call has returned. */
  | {
      readonly type: 'write'
      readonly file: FileId
      readonly offset: number
      readonly data: Buffer
      readonly isDurable: boolean
    }
  | { readonly type: 'resize'; readonly file: FileId; readonly size: number }
  | { readonly type: 'grow'; readonly file: FileId; readonly size: number }
  /** Names that lead elsewhere from now on, all at once; undefined: nowhere. */
  | { readonly type: 'names'; readonly names: ReadonlyMap<string, FileId | undefined> }
  | { readonly type: 'sync'; readonly file: FileId }

export type FileEvent =
  { readonly type: 'begin' | 'end'; readonly change: Change } | { readonly type: 'mark' }

interface Opened {
  readonly file: FileId
  readonly isDurable: boolean
  readonly appends: boolean
  position: number
}

/**
 * Follows the names and descriptors of a traced program. Requires: it is the only process that has
 * files below the folder open.
 */
export class FileCalls {
  readonly folders = new Set<FileId>()
  readonly names = new Map<string, FileId>()
  readonly #root: string
  readonly #sizes = new Map<FileId, number>()
  readonly #opened = new Map<number, Opened>()
  readonly #changes = new Map<TracedCall, readonly Change[]>()
  #lastFile = 0

  /** `root` exists, and is empty for all that matters but for what `add` tells. */
  constructor(root: string) {
    this.#root = root
    this.add('', 0, true)
  }

  /** Something that is there from the start, by its path below the root; returns its number. */
  add(path: string, size: number, isFolder: boolean): FileId {
    const file = ++this.#lastFile
    this.names.set(path, file)
    this.#sizes.set(file, size)
    if (isFolder) this.folders.add(file)
    return file
  }

  *events(trace: Iterable<TraceEvent>): Generator<FileEvent> {
    for (const event of trace) {
      if (event.type === 'mark') yield { type: 'mark' }
      else if (event.type === 'begin') {
        const changes = this.#begin(event.call)
        if (changes.length > 0) this.#changes.set(event.call, changes)
        for (const change of changes) yield { type: 'begin', change }
      } else {
        for (const change of this.#changes.get(event.call) ?? []) yield { type: 'end', change }
        this.#changes.delete(event.call)
      }
    }
  }

  /** The changes of a call that succeeds; its result is known already, if it ever had one. */
  #begin(call: TracedCall): Change[] {
    if (call.result?.startsWith('-1') === true) return []
    switch (call.name) {
      case 'openat':
      case 'open':
      case 'creat':
        return this.#open(call)
      case 'mkdir':
        return this.#make(call)
      case 'rename':
        return this.#rename(call)
      case 'unlink':
      case 'rmdir':
        return this.#remove(call)
      default:
        return this.#onDescriptor(call)
    }
  }

  #onDescriptor(call: TracedCall): Change[] {
    const { name, parameters } = call
    const descriptor = descriptorOf(parameters)
    if (descriptor === undefined || this.#below(descriptor.path) === undefined) return []
    const opened = this.#opened.get(descriptor.fd)
    invariant(opened !== undefined, `${name} of a descriptor that was opened`)
    const { file } = opened
    switch (name) {
      case 'write':
      case 'writev':
        return [this.#write(opened, call, undefined)]
      case 'pwrite64':
      case 'pwritev':
        return [this.#write(opened, call, numbersAtEnd(parameters, 1)[0])]
      case 'fsync':
      case 'fdatasync':
        return [{ type: 'sync', file }]
      case 'ftruncate': {
        const [size = 0] = numbersAtEnd(parameters, 1)
        this.#sizes.set(file, size)
        return [{ type: 'resize', file, size }]
      }
      case 'fallocate': {
        const [mode, offset = 0, length = 0] = numbersAtEnd(parameters, 3)
        invariant(mode === 0, 'space is only allocated')
        const size = Math.max(this.#sizes.get(file) ?? 0, offset + length)
        this.#sizes.set(file, size)
        return [{ type: 'grow', file, size }]
      }
      case 'lseek':
        return []
      default:
        throw new Error(`The model does not know the call ${name}(${parameters.slice(0, 200)})`)
    }
  }

  #write(opened: Opened, { parameters, result }: TracedCall, at: number | undefined): Change {
    const data = wholeData(Buffer.concat(stringsIn(parameters)), result)
    const { file, isDurable } = opened
    const size = this.#sizes.get(file) ?? 0
    const offset = at ?? (opened.appends ? size : opened.position)
    if (at === undefined) opened.position = offset + data.length
    this.#sizes.set(file, Math.max(size, offset + data.length))
    return { type: 'write', file, offset, data, isDurable }
  }

  #open(call: TracedCall): Change[] {
    const target = call.result === undefined ? undefined : descriptorOf(call.result)
    const path = target === undefined ? undefined : this.#below(target.path)
    if (target === undefined || path === undefined) return []
    const { fd } = target
    const flags = new Set(/O_\w+(?:\|\w+)*/.exec(call.parameters)?.[0].split('|'))
    const changes: Change[] = []
    let file = this.names.get(path)
    if (file === undefined) {
      invariant(flags.has('O_CREAT'), `"${path}" is there`)
      file = this.add(path, 0, false)
      changes.push({ type: 'names', names: new Map([[path, file]]) })
    } else if (flags.has('O_TRUNC')) {
      this.#sizes.set(file, 0)
      changes.push({ type: 'resize', file, size: 0 })
    }
    const isDurable = flags.has('O_DSYNC') || flags.has('O_SYNC')
    this.#opened.set(fd, { file, isDurable, appends: flags.has('O_APPEND'), position: 0 })
    return changes
  }

  #make(call: TracedCall): Change[] {
    const [path] = this.#paths(call)
    if (path === undefined || this.names.has(path)) return []
    return [{ type: 'names', names: new Map([[path, this.add(path, 0, true)]]) }]
  }

  #remove(call: TracedCall): Change[] {
    const [path] = this.#paths(call)
    if (path === undefined || !this.names.delete(path)) return []
    return [{ type: 'names', names: new Map([[path, undefined]]) }]
  }

  /** Files only. */
  #rename(call: TracedCall): Change[] {
    const [from, to] = this.#paths(call)
    if (from === undefined || to === undefined) return []
    const file = this.names.get(from)
    invariant(file !== undefined && !this.folders.has(file), 'a file is renamed')
    this.names.delete(from)
    this.names.set(to, file)
    return [
      {
        type: 'names',
        names: new Map([
          [from, undefined],
          [to, file],
        ]),
      },
    ]
  }

  #paths(call: TracedCall): (string | undefined)[] {
    return stringsIn(call.parameters).map((path) => this.#below(path.toString()))
  }

  /** A path below the root, without it. */
  #below(path: string): string | undefined {
    if (path === this.#root) return ''
    return path.startsWith(`${this.#root}/`) ? path.slice(this.#root.length) : undefined
  }
}

/** What a write has written; where strace has left the rest of it out, that is zeros as well. */
function wholeData(shown: Buffer, result: string | undefined): Buffer {
  const length = result === undefined ? shown.length : Number(result)
  if (length <= shown.length) return shown.subarray(0, length)
  invariant(
    shown.every((byte) => byte === 0),
    'strace has shown all that is not zeros',
  )
  return Buffer.alloc(length)
}
