/**
 * Finds the request that a thread of libfuse works on, as the kernel has sent it. The addon does not
 * pass on who asks, nor all of what is asked: libfuse keeps the request in a buffer of the thread until
 * it is answered.
 *
 *   /proc/self/task/TID/syscall   the stack pointer of a thread that waits
 *   above it on the stack         the C library's descriptor of the thread, which points to itself
 *     … the thread's own value    the frame: so this is the thread that asks
 *     … what it was started with  libfuse's worker: { previous, next, thread, size, buffer, … }
 *
 * Nothing is taken on trust: descriptor, frame and worker have to name each other, and a request has to
 * be one that leads to the operation. Memory is looked at through the kernel, so that a wrong guess
 * finds nothing instead of crashing.
 */
import { readFileSync, readdirSync } from 'node:fs'
import type { Frame } from './frame.ts'
import type { Address, MemoryProbe } from './memory.ts'

/** More than what libfuse's calls and the descriptor take. */
const STACK_SIZE_MAX = 64 * 1024
const WORKER_SIZE = 48
const WORKER_THREAD = 16
const WORKER_BUFFER_SIZE = 24
const WORKER_BUFFER = 32
/** What libfuse reads requests into, in 2.9. */
const BUFFER_SIZE = 0x2_1000n
const ADDRESS_MIN = 0x1_0000n
const ADDRESS_MAX = 0x8000_0000_0000n

/** A thread that has just called may not have come to wait yet, and then nobody can see its stack. */
const WAIT_MS = 10_000
const PAUSE_MS = 0.5

/**
 * Where the buffer of the frame's thread lies; undefined if things are not as they are known here. Takes
 * about a millisecond, and is needed once for each thread.
 */
export function findRequestBuffer(frame: Frame, probe: MemoryProbe): Address | undefined {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    const pointers = stackPointers()
    for (const pointer of pointers) {
      if (pointer === undefined) continue
      const found = bufferOf(probe.read(pointer, STACK_SIZE_MAX), pointer, frame, probe)
      if (found !== undefined) return found
    }
    if (!pointers.includes(undefined) || performance.now() > deadline) return undefined
    Atomics.wait(pause, 0, 0, PAUSE_MS)
  }
}

/** Of all threads but this one, which runs; new ones first, as they are asked for. */
function stackPointers(): readonly (Address | undefined)[] {
  const others = readdirSync('/proc/self/task').filter((tid) => tid !== String(process.pid))
  return others.toReversed().map(stackPointerOf)
}

/** Undefined for a thread that runs, or is gone. */
function stackPointerOf(tid: string): Address | undefined {
  try {
    const fields = readFileSync(`/proc/self/task/${tid}/syscall`, 'latin1').trim().split(' ')
    const pointer = fields.at(-2)
    return pointer?.startsWith('0x') === true ? BigInt(pointer) & ~7n : undefined
  } catch {
    return undefined
  }
}

function bufferOf(
  stack: Buffer,
  start: Address,
  frame: Frame,
  probe: MemoryProbe,
): Address | undefined {
  const words = wordsOf(stack)
  const at = words.findIndex(
    (word, index) => word === start + BigInt(index * 8) && words[index + 2] === word,
  )
  const descriptor = words[at]
  if (descriptor === undefined) return undefined
  const rest = words.slice(at)
  if (!rest.includes(frame.address)) return undefined
  for (const word of rest) {
    if (word < ADDRESS_MIN || word >= ADDRESS_MAX) continue
    const worker = probe.read(word, WORKER_SIZE)
    if (worker.length < WORKER_SIZE) continue
    const isOurs = worker.readBigUInt64LE(WORKER_THREAD) === descriptor
    if (isOurs && worker.readBigUInt64LE(WORKER_BUFFER_SIZE) === BUFFER_SIZE) {
      return worker.readBigUInt64LE(WORKER_BUFFER)
    }
  }
  return undefined
}

function wordsOf(bytes: Buffer): BigUint64Array {
  const length = Math.floor(bytes.length / 8)
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, length)
}
