import { helperParameters } from './called-by-mount.ts'
import { type CommandName, COMMANDS, isCommandName } from './commands.ts'
import { EXIT, type ExitCode, CommandError, exitCodeOf, messageOf } from './exit-codes.ts'
import { commandHelp, programHelp } from './help.ts'
import { parseCommandLine } from './parse.ts'
import { programVersion } from './version.ts'

/** Resolves with an exit code of ours, or with that of a command. */
type Run = (values: CommandLine) => Promise<number>
type CommandLine = ReturnType<typeof parseCommandLine>

const RUN: Readonly<Record<CommandName, () => Promise<Run>>> = {
  mount: async () => (await import('./mount-command.ts')).runMount,
  unmount: async () => (await import('./unmount-command.ts')).runUnmount,
  run: async () => (await import('./run-command.ts')).runRun,
  make: async () => (await import('./make-command.ts')).runMake,
  scrub: async () => (await import('./scrub-command.ts')).runScrub,
  check: async () => (await import('./check-command.ts')).runCheck,
  dump: async () => (await import('./dump-command.ts')).runDump,
  'install-helper': async () => (await import('./install-helper-command.ts')).runInstallHelper,
}

// mount(8) may call without an environment, and the programs that mount must be found all the same.
const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Runs one command line; says on stderr, in one line, why it fails. Returns the exit code. */
export async function main(parameters: readonly string[]): Promise<number> {
  process.env['PATH'] ??= PATH_DEFAULT
  try {
    return await dispatch(parameters)
  } catch (error) {
    process.stderr.write(`oatomic: ${messageOf(error)}\n`)
    const exitCode = exitCodeOf(error)
    // Whatever else it ends with is its command's.
    return parameters[0] === 'run' && exitCode < EXIT.conflict ? EXIT.runFailed : exitCode
  }
}

async function dispatch(parameters: readonly string[]): Promise<number> {
  const helper = helperParameters(parameters, process.argv[1] ?? '')
  if (helper !== undefined) return runHelper(helper)
  const [first] = parameters
  if (first === undefined) throw new CommandError(EXIT.usage, 'Missing command; see oatomic --help')
  if (first === '--help' || first === '-h') return print(programHelp())
  if (first === '--version') return print(`oatomic ${programVersion()}\n`)
  if (isCommandName(first)) return runCommandLine(first, parameters.slice(1))
  if (parameters.length === 1 && !first.startsWith('-')) {
    throw new CommandError(EXIT.usage, `Unknown command "${first}"; see oatomic --help`)
  }
  return runCommandLine('mount', parameters)
}

async function runHelper(parameters: readonly string[]): Promise<number> {
  const line = parseCommandLine('mount', COMMANDS.mount, parameters)
  if (line.flags.has('help')) return print(commandHelp('mount'))
  const { runMountHelper } = await import('./mount-helper.ts')
  return runMountHelper(line)
}

async function runCommandLine(name: CommandName, parameters: readonly string[]): Promise<number> {
  const line = parseCommandLine(name, COMMANDS[name], parameters)
  if (line.flags.has('help')) return print(commandHelp(name))
  const run = await RUN[name]()
  return run(line)
}

function print(text: string): ExitCode {
  process.stdout.write(text)
  return EXIT.ok
}
