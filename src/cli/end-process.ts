/** The end of a daemon whose disk may not answer, and how another process sees what it waits for. */
import { readFileSync } from 'node:fs'
import koffi from 'koffi'
import { EXIT } from './exit-codes.ts'

const exitNow = koffi.load('libc.so.6').func('void _exit(int)') as (status: number) => void

/** SIGKILL in the masks of /proc/PID/status. */
const KILLED = 1n << 8n

/**
 * Ends this process. After a failure at once: Node.js would wait for its threads, and one of them may
 * be waiting for the disk. Requires: all that it had to say is said.
 */
export function endProcess(exitCode: number): void {
  if (exitCode === EXIT.ok) process.exit(exitCode)
  exitNow(exitCode)
}

/**
 * Whether a process has ended or was killed, and is still there: a thread of it waits for the disk.
 * One that is just ending looks the same for a moment.
 */
export function isEnding(pid: number): boolean {
  const status = statusOf(pid)
  const masks = [...status.matchAll(/^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$/gm)]
  const isKilled = masks.some(([, mask]) => (BigInt(`0x${mask ?? '0'}`) & KILLED) !== 0n)
  return isKilled || /^State:\s*[ZX]/m.test(status)
}

/**
 * How often the main thread of a process has gone to sleep, if it waits for the disk just now. While
 * that stays the same it is one wait; the kernel wakes a long one once a minute.
 */
export function diskWaitOf(pid: number): number | undefined {
  const status = statusOf(pid)
  if (!/^State:\s*D/m.test(status)) return undefined
  return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1])
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return ''
  }
}
