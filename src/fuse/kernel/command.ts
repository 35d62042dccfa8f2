import { spawn } from 'node:child_process'
import { FsError } from '../../errors.ts'

const TIMEOUT_MS = 20_000
/** How long one that was killed may take to go. */
const KILL_GRACE_MS = 2000

export interface CommandResult {
  readonly succeeded: boolean
  /** What it wrote to stderr, in one line. */
  readonly message: string
}

export interface CommandOptions {
  /** Descriptor that the command finds as its own number 3. */
  readonly fd?: number
  readonly environment?: Readonly<Record<string, string>>
  /** What to do when there is no such command. */
  readonly hint: string
}

/**
 * Runs a command to its end. Throws FsError ENOENT when it is not installed, and EIO when it does not
 * end, not even by force: it waits for a mount that does not answer, or for a disk.
 */
export async function runCommand(
  command: string,
  parameters: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(command, parameters, {
    // Commands report in the language of errors here.
    env: { ...process.env, LC_ALL: 'C', ...options.environment },
    stdio: ['ignore', 'ignore', 'pipe', ...(options.fd === undefined ? [] : [options.fd])],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  const lines: Buffer[] = []
  child.stderr?.on('data', (chunk: Buffer) => lines.push(chunk))
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.unref()
      child.stderr?.destroy()
      reject(new FsError('EIO', `${command} does not end: what it waits for does not answer`))
    }, TIMEOUT_MS + KILL_GRACE_MS)
    child.on('error', (cause) => {
      clearTimeout(timer)
      reject(new FsError('ENOENT', `Cannot run ${command}; ${options.hint}`, { cause }))
    })
    child.on('close', (status) => {
      clearTimeout(timer)
      const text = Buffer.concat(lines).toString().trim().replaceAll('\n', '; ')
      const message = text === '' ? `${command} ended with ${String(status)}` : text
      resolve({ succeeded: status === 0, message })
    })
  })
}
