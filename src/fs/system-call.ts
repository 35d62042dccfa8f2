/**
 * The system call that a thread waits for us in, by `/proc/TID/syscall`. A request can be here before its
 * thread has fallen asleep, and of one that runs /proc says nothing else; so it is asked again until it does.
 */
import { readFileSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'

/** Numbers of system calls: write and pwrite64; with writev, pwritev and pwritev2; and all of stat. */
const WRITE_CALLS: ReadonlySet<number> = new Set(process.arch === 'arm64' ? [64, 68] : [1, 18])
const UNLOCKED_CALLS: ReadonlySet<number> = new Set([
  ...WRITE_CALLS,
  ...(process.arch === 'arm64' ? [66, 70, 287, 79, 80, 291] : [20, 296, 328, 4, 5, 6, 262, 332]),
])

/** After these many times others need the processor more. */
const EAGER_COUNT = 20
const POLL_MS = 1
const POLL_MS_MAX = 1000

/** Whether a thread is in stat(2), write(2) or one of their relatives. */
export async function isInStatOrWrite(thread: number): Promise<boolean> {
  const [number = -1] = await systemCall(thread)
  return UNLOCKED_CALLS.has(number)
}

/** How much the write(2) or pwrite(2) writes in all that a thread is in; undefined for others. */
export async function lengthOfWrite(thread: number): Promise<number | undefined> {
  const [number = -1, , , count] = await systemCall(thread)
  return WRITE_CALLS.has(number) ? count : undefined
}

/** The number and the arguments; nothing if that is not known. */
async function systemCall(thread: number): Promise<readonly number[]> {
  if (thread <= 0) return []
  const end = performance.now() + POLL_MS_MAX
  for (let count = 0; ; count++) {
    const text = read(thread)
    if (text !== 'running') return /^\d/.test(text) ? text.split(' ').map(Number) : []
    if (performance.now() > end) return []
    await (count < EAGER_COUNT ? setImmediate() : setTimeout(POLL_MS))
  }
}

function read(thread: number): string {
  try {
    return readFileSync(`/proc/${thread}/syscall`, 'latin1').trim()
  } catch {
    return ''
  }
}
