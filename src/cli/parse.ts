import { parseArgs } from 'node:util'
import type { CommandSpec } from './commands.ts'
import { CommandError, EXIT } from './exit-codes.ts'

/** A command line that fits its command. */
export interface CommandLine {
  readonly positionals: readonly string[]
  /** Options without a value that are set. */
  readonly flags: ReadonlySet<string>
  /** All values of the options that have one, in order. */
  readonly values: ReadonlyMap<string, readonly string[]>
  /** The words behind `--`, where the command takes some. */
  readonly rest: readonly string[]
}

/** Reads the parameters of a command, options before or after the rest. Throws CommandError. */
export function parseCommandLine(
  name: string,
  spec: CommandSpec,
  parameters: readonly string[],
): CommandLine {
  const end = spec.rest === undefined ? -1 : parameters.indexOf('--')
  const own = end < 0 ? parameters : parameters.slice(0, end)
  const rest = end < 0 ? [] : parameters.slice(end + 1)
  const { values, positionals } = parse(name, spec, own)
  const line = {
    positionals,
    rest,
    flags: new Set(Object.keys(values).filter((key) => values[key] === true)),
    values: new Map(
      Object.entries(values).flatMap(([key, value]) =>
        Array.isArray(value) ? [[key, value.map(String)] as const] : [],
      ),
    ),
  }
  if (line.flags.has('help')) return line
  checkCount(name, spec, positionals)
  if (spec.rest !== undefined && rest.length === 0) {
    throw usageError(name, `Missing -- ${spec.rest}`)
  }
  return line
}

function parse(name: string, spec: CommandSpec, parameters: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(spec.options).map(([key, { short, value }]) => [
      key,
      {
        ...(value === undefined
          ? { type: 'boolean' as const }
          : { type: 'string' as const, multiple: true }),
        ...(short !== undefined && { short }),
      },
    ]),
  )
  try {
    return parseArgs({ args: [...parameters], options, allowPositionals: true })
  } catch (error) {
    throw usageError(name, describe(error))
  }
}

/** What the parser says, without its advice on dashes. */
function describe(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const [, option] = /^Unknown option '([^']*)'/.exec(message) ?? []
  return option === undefined ? message : `Unknown option "${option}"`
}

function checkCount(name: string, spec: CommandSpec, positionals: readonly string[]): void {
  const missing = spec.positionals.slice(positionals.length, spec.requiredCount)
  if (missing.length > 0) throw usageError(name, `Missing ${missing.join(' and ')}`)
  const [extra] = positionals.slice(spec.positionals.length)
  if (extra !== undefined) throw usageError(name, `Unexpected argument "${extra}"`)
  const empty = spec.positionals.find((_, index) => positionals[index] === '')
  if (empty !== undefined) throw usageError(name, `${empty} is empty`)
}

function usageError(name: string, message: string): CommandError {
  return new CommandError(EXIT.usage, `${message}; see oatomic ${name} --help`)
}
