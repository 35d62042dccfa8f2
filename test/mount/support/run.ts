/** Commands as a user would run them, each in a process of its own and with a time limit. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'

export interface RunOptions {
  readonly cwd?: string
  readonly timeoutMs?: number
  readonly environment?: Readonly<Record<string, string>>
  /** Whether it may leave processes behind that `killed` has to find. */
  readonly ownGroup?: boolean
}

export interface Ended {
  /** Exit status; undefined when a signal ended it. */
  readonly status: number | undefined
  readonly signal: string | undefined
  readonly stdout: string
  readonly stderr: string
}

const TIMEOUT_MS = 60_000

const nothing = (): void => undefined

export class Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  readonly #name: string
  readonly #ownGroup: boolean
  #stdout = ''
  #stderr = ''
  readonly #watchers = new Set<() => void>()

  constructor(name: string, child: ChildProcess, ownGroup: boolean) {
    this.#name = name
    this.#ownGroup = ownGroup
    this.process = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      for (const watch of this.#watchers) watch()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, signal) => {
        for (const watch of this.#watchers) watch()
        resolve({
          status: status ?? undefined,
          signal: signal ?? undefined,
          stdout: this.#stdout,
          stderr: this.#stderr,
        })
      })
    })
    this.ended.catch(() => undefined)
  }

  get pid(): number {
    assert.ok(this.process.pid !== undefined, `${this.#name} has not started`)
    return this.process.pid
  }

  /** Resolves when it has written this line; fails when it ends before. */
  async said(line: string): Promise<void> {
    const isThere = (): boolean => this.#stdout.split('\n').slice(0, -1).includes(line)
    let watch = nothing
    const heard = new Promise<void>((resolve) => {
      watch = () => {
        if (isThere()) resolve()
      }
    })
    this.#watchers.add(watch)
    watch()
    const ended = await Promise.race([heard, this.ended])
    this.#watchers.delete(watch)
    if (ended !== undefined && !isThere()) {
      assert.fail(`${this.#name} ended without "${line}": ${this.#stdout}${ended.stderr}`)
    }
  }

  /** Writes a line to it. */
  tell(line: string): void {
    this.process.stdin?.write(`${line}\n`)
  }

  /** Kills it, and with `ownGroup` all that it has started. */
  async killed(): Promise<Ended> {
    if (this.#ownGroup) process.kill(-this.pid, 'SIGKILL')
    else this.process.kill('SIGKILL')
    return this.ended
  }
}

export function start(
  command: string,
  parameters: readonly string[],
  options: RunOptions = {},
): Running {
  const child = spawn(command, parameters, {
    stdio: 'pipe',
    // A folder on the mount could hold a child back before it can report anything.
    cwd: options.cwd ?? '/',
    env: { ...process.env, LC_ALL: 'C', ...options.environment },
    detached: options.ownGroup === true,
    timeout: options.timeoutMs ?? TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  child.stdin.on('error', () => undefined)
  return new Running(command, child, options.ownGroup === true)
}

/** Runs to the end; returns what it wrote. Fails unless it ends with 0. */
export async function run(
  command: string,
  parameters: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const ended = await start(command, parameters, options).ended
  assert.equal(
    ended.status,
    0,
    `${command} ended with ${ended.signal ?? String(ended.status)}: ${ended.stdout}${ended.stderr}`,
  )
  return ended.stdout
}

/** `refused COMMAND…` fails unless the command does: bash does not end for `! COMMAND`. */
const SHELL_PRELUDE = `
refused() { if "$@" 2> /dev/null; then echo "not refused: $*" >&2; exit 1; fi; }
`

/**
 * Runs lines of bash, with the first failing one ending them. In a line \`a && b\` only b counts for that,
 * so each command has a line of its own.
 */
export function shell(script: string, options: RunOptions = {}): Promise<string> {
  return run('bash', ['-euo', 'pipefail', '-c', SHELL_PRELUDE + script], options)
}

const PYTHON_PRELUDE = `
import ctypes, errno, fcntl, hashlib, mmap, os, signal, struct, sys, time
def say(line): print(line, flush=True)
def wait(): return sys.stdin.readline().strip()
`

/** The parameters of a Python program with the usual imports; \`sys.argv[1:]\` are the arguments. */
const pythonParameters = (program: string, parameters: readonly string[]): string[] => [
  '-c',
  PYTHON_PRELUDE + program,
  ...parameters,
]

export function python(
  program: string,
  parameters: readonly string[] = [],
  options: RunOptions = {},
): Promise<string> {
  return run('python3', pythonParameters(program, parameters), options)
}

export function startPython(
  program: string,
  parameters: readonly string[] = [],
  options: RunOptions = {},
): Running {
  return start('python3', pythonParameters(program, parameters), options)
}

/** Fails with what to install, instead of with what goes wrong without it. */
export async function needs(command: string, debianPackage: string): Promise<void> {
  const found = await start('bash', ['-c', `command -v ${command}`]).ended
  assert.equal(found.status, 0, `This test needs ${command}: apt-get install ${debianPackage}`)
}
