/**
 * Runs a command where a folder is its private copy: in a mount namespace of its own, in which the copy is
 * mounted on the folder. Nothing that is mounted there can be seen outside, and it goes with the last
 * process in it.
 *
 *   unshare   makes the namespace, and for all but root a user namespace that allows it
 *   sh        mounts, goes to the working directory again, which may be one in the folder, and says so
 *   unshare   has the user be himself again
 *   setpriv   has the command killed when this process is: it could not be committed any more
 *
 * Each executes the next, so that all of it is one process.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isatty } from 'node:tty'
import { CommandError, EXIT } from './exit-codes.ts'

export interface CommandInCopy {
  readonly folder: string
  /** A path of the folder's copy. */
  readonly copy: string
  readonly command: readonly string[]
}

const SCRIPT = `
mount -n --bind -- "$1" "$2" || exit
cd -- "$3" || exit
shift 3
echo >&3
exec "$@" 3>&-
`

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const
/** A terminal sends these to all of its foreground processes. */
const FROM_TERMINAL: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT'])

/**
 * Signals are passed on to the command. Resolves with its exit code, or 128 + N for signal N. Throws
 * CommandError if it was not run.
 */
export async function runInCopy(parts: CommandInCopy): Promise<number> {
  const [program = '', ...parameters] = commandLine(parts)
  const child = spawn(program, parameters, { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] })
  let isRun = false
  child.stdio[3]?.on('data', () => {
    isRun = true
  })
  const hasTerminal = [0, 1, 2].some((fd) => isatty(fd))
  const passOn = (signal: NodeJS.Signals): void => {
    if (!hasTerminal || !FROM_TERMINAL.has(signal)) child.kill(signal)
  }
  for (const signal of SIGNALS) process.on(signal, passOn)
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, signal) => {
        resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]))
      })
    })
    if (isRun) return exitCode
    const why = 'a mount namespace cannot be made, or nothing mounted in it'
    throw new CommandError(EXIT.runFailed, `Cannot run "${parts.command[0] ?? ''}": ${why}`)
  } catch (error) {
    if (error instanceof CommandError) throw error
    const hint = `Cannot run ${program}; install it with: apt-get install util-linux`
    throw new CommandError(EXIT.runFailed, hint, { cause: error })
  } finally {
    for (const signal of SIGNALS) process.off(signal, passOn)
  }
}

function commandLine({ folder, copy, command }: CommandInCopy): string[] {
  const isRoot = process.geteuid?.() === 0
  const user = isRoot ? [] : ['--user', '--map-root-user']
  const self = [`--map-user=${process.geteuid?.()}`, `--map-group=${process.getegid?.()}`]
  const enter = ['unshare', ...user, '--mount', '--propagation', 'private', '--']
  const mount = ['sh', '-c', SCRIPT, 'oatomic run', copy, folder, process.cwd()]
  const leave = isRoot ? [] : ['unshare', '--user', ...self, '--']
  return [...enter, ...mount, ...leave, 'setpriv', '--pdeathsig', 'KILL', '--', ...command]
}
