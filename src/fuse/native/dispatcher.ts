import { FsError, invariant } from '../../errors.ts'
import type { FilesystemOperations } from '../../fs/operations.ts'
import type { Failures } from '../failures.ts'
import type { Addon, OperationName } from './addon.ts'
import type { Edge } from './edge.ts'
import { Frame } from './frame.ts'
import { HANDLERS, MEMORY_PARAMETER } from './handler-table.ts'
import { Handles } from './handles.ts'
import { HeldInodes } from './held-inodes.ts'
import { HiddenFiles } from './hidden-files.ts'
import { KernelRequest } from './kernel-request.ts'
import { type Address, MemoryProbe } from './memory.ts'
import { Paths } from './paths.ts'
import { findRequestBuffer } from './worker-search.ts'

interface Thread {
  readonly frame: Frame
  readonly requestBuffer: Address
}

/**
 * The edge to libfuse: takes an operation from the thread that waits in it, calls its handler, and lets
 * the thread go on, exactly once.
 */
export class Dispatcher {
  readonly #addon: Addon
  readonly #failures: Failures
  readonly #edge: Edge
  readonly #probe = new MemoryProbe()
  readonly #threads = new WeakMap<Buffer, Thread>()
  #isClosed = false

  constructor(addon: Addon, filesystem: FilesystemOperations, failures: Failures) {
    this.#addon = addon
    this.#failures = failures
    const held = new HeldInodes(filesystem)
    const hidden = new HiddenFiles(filesystem)
    const paths = new Paths(filesystem, held, hidden)
    this.#edge = {
      filesystem,
      paths,
      held,
      hidden,
      files: new Handles(),
      directories: new Handles(),
    }
  }

  /**
   * Checks by the first operation of a mount that addon and libfuse are those that this program knows.
   * Throws FsError ENOSYS.
   */
  check(frameBytes: Buffer, connection: Address): void {
    const frame = new Frame(frameBytes)
    const isKnown = frame.operation === this.#addon.op_init && frame.connection === connection
    if (isKnown && this.#find(frameBytes) !== undefined) return
    const reason = 'this libfuse is not the 2.9 for x64 that it takes'
    throw new FsError('ENOSYS', `Cannot use the transport fuse-native: ${reason}`)
  }

  /** From here on everything is refused. */
  close(): void {
    this.#isClosed = true
  }

  /** Never throws. */
  dispatch(name: Exclude<OperationName, 'init'>, frameBytes: Buffer, parameters: unknown[]): void {
    const signal = (result: number): void => {
      this.#signal(name, frameBytes, parameters, result)
    }
    const fail = (error: unknown): void => {
      signal(-this.#failures.errnoOf(name, error))
    }
    try {
      const outcome = this.#start(name, frameBytes, parameters)
      if (!(outcome instanceof Promise)) signal(outcome ?? 0)
      else outcome.then((result) => result ?? 0).then(signal, fail)
    } catch (error) {
      fail(error)
    }
  }

  #start(name: Exclude<OperationName, 'init'>, frameBytes: Buffer, parameters: unknown[]) {
    if (this.#isClosed) throw new FsError('EIO', 'The mount has ended')
    const thread = this.#find(frameBytes)
    invariant(thread !== undefined, 'every thread of libfuse is one of its workers')
    const request = new KernelRequest(thread.requestBuffer)
    return HANDLERS[name](this.#edge, {
      frame: thread.frame,
      request,
      caller: request.caller,
      number: (index) => {
        const value = parameters[index]
        invariant(typeof value === 'number', 'the addon passes a number')
        return value
      },
      memory: (index) => memoryAt(parameters, index),
    })
  }

  #find(frameBytes: Buffer): Thread | undefined {
    const known = this.#threads.get(frameBytes)
    if (known !== undefined) return known
    const frame = new Frame(frameBytes)
    const requestBuffer = findRequestBuffer(frame, this.#probe)
    if (requestBuffer === undefined) return undefined
    const thread = { frame, requestBuffer }
    this.#threads.set(frameBytes, thread)
    return thread
  }

  /** Memory of libfuse is taken away from its Buffer: from here on it may be anything. */
  #signal(name: OperationName, frame: Buffer, parameters: unknown[], result: number): void {
    const index = MEMORY_PARAMETER[name]
    if (index === undefined) {
      this.#addon.fuse_native_signal_flush(frame, result)
      return
    }
    const { buffer } = memoryAt(parameters, index)
    if (name === 'read' || name === 'write') {
      this.#addon.fuse_native_signal_read(frame, result, 0, buffer)
    } else {
      this.#addon.fuse_native_signal_getxattr(frame, result, buffer)
    }
  }
}

function memoryAt(parameters: unknown[], index: number): Buffer {
  const value = parameters[index]
  invariant(Buffer.isBuffer(value), 'the addon passes memory')
  return value
}
