/**
 * Tells when a request waits on the device, by libuv's own event loop. The descriptor is wrapped as
 * a pipe handle with a receiving buffer of no bytes: libuv then reports that there is something to
 * read and leaves the reading to us. This interface is an inner one of Node.js, so where it is
 * missing a thread of the pool waits in poll(2) instead, which costs some 50 µs for each wake-up.
 */
import { closeSync } from 'node:fs'
import { pollReadable } from './libc.ts'

export interface WakeUp {
  /** Stops calling, and closes the descriptor. */
  close(): void
}

interface PipeHandle {
  onread: () => void
  open(fd: number): number
  useUserBuffer(buffer: Uint8Array): void
  readStart(): number
  close(): void
}

type PipeConstructor = new (type: number) => PipeHandle

const PIPE_TYPE_SOCKET = 0
const POLL_TIMEOUT_MS = 500

/** Calls `onReadable` whenever `fd` has something to read, or an end. Owns `fd` from here on. */
export function watchReadable(fd: number, onReadable: () => void): WakeUp {
  return watchByEventLoop(fd, onReadable) ?? watchByThread(fd, onReadable)
}

function watchByEventLoop(fd: number, onReadable: () => void): WakeUp | undefined {
  const Pipe = findPipeConstructor()
  if (Pipe === undefined) return undefined
  const pipe = new Pipe(PIPE_TYPE_SOCKET)
  pipe.onread = onReadable
  if (pipe.open(fd) !== 0) return undefined
  pipe.useUserBuffer(Buffer.alloc(0))
  pipe.readStart()
  return pipe
}

function findPipeConstructor(): PipeConstructor | undefined {
  try {
    const inner: object = process
    const found = hasBinding(inner) ? inner.binding('pipe_wrap')['Pipe'] : undefined
    return isPipeConstructor(found) ? found : undefined
  } catch {
    return undefined
  }
}

interface HasBinding {
  binding(name: string): Readonly<Record<string, unknown>>
}

function hasBinding(value: object): value is HasBinding {
  return 'binding' in value && typeof value.binding === 'function'
}

function isPipeConstructor(value: unknown): value is PipeConstructor {
  return typeof value === 'function' && 'readStart' in Object(Reflect.get(value, 'prototype'))
}

/** Exported for its test. */
export function watchByThread(fd: number, onReadable: () => void): WakeUp {
  const state = { open: true }
  const watch = async (): Promise<void> => {
    while (state.open) {
      await pollReadable(fd, POLL_TIMEOUT_MS)
      if (state.open) onReadable()
    }
    closeSync(fd)
  }
  void watch()
  return {
    close() {
      // The thread may still wait on the descriptor, which must not become another file's meanwhile.
      state.open = false
    },
  }
}
