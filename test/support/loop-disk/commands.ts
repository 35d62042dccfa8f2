/**
 * Commands on devices and filesystems of the host, each with a time limit: what waits for a disk that
 * hangs cannot be killed, so it is left alone then, and whoever waits for it gets an error.
 */
import assert from 'node:assert/strict'
import { start } from '../../mount/support/run.ts'

const TIMEOUT_MS = 30_000
const GRACE_MS = 2000

export interface Outcome {
  /** Undefined when it did not end in time. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command until it ends or its time is over. */
export async function attempt(
  command: string,
  parameters: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<Outcome> {
  const { ended } = start(command, parameters, { timeoutMs })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => {
      resolve({ status: undefined, stdout: '', stderr: 'no end within its time' })
    }, timeoutMs + GRACE_MS)
  })
  try {
    return await Promise.race([ended, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a command that must succeed; returns what it printed. */
export async function succeed(
  name: string,
  parameters: readonly string[],
  timeoutMs?: number,
): Promise<string> {
  const { status, stdout, stderr } = await attempt(name, parameters, timeoutMs)
  assert.equal(status, 0, `${name} ${parameters.join(' ')}: ${stdout}${stderr}`)
  return stdout
}
