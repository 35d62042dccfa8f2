import {
  type CommandName,
  type CommandSpec,
  type OptionSpec,
  COMMANDS,
  isCommandName,
} from './commands.ts'
import { MOUNT_OPTIONS } from './mount-options.ts'

const EXIT_CODES = `Exit codes:
  0   done
  1   the command line is wrong
  2   the volume or the mount point cannot be used
  3   the volume or the mount point is in use
  4   check or scrub have found damage, and some of it is left
  5   a volume was not closed in order, or an unexpected failure
  6   damage was found, and all of it was repaired
  32  mounting failed

Exit codes of oatomic run, besides those of its command and 128 + N for signal N:
  124 others have changed the folder, so nothing was done
  125 oatomic itself has failed
  126 the command cannot be executed
  127 the command was not found
`

const names = Object.keys(COMMANDS).filter(isCommandName)

export function programHelp(): string {
  const commands = names.map((name) => [synopsis(name), COMMANDS[name].text] as const)
  return `oatomic - files that are always their whole old or their whole new content

${section('Usage', commands)}
  oatomic COMMAND --help
  oatomic --version

${EXIT_CODES}`
}

export function commandHelp(name: CommandName): string {
  const spec: CommandSpec = COMMANDS[name]
  const options = Object.entries(spec.options).flatMap(([key, option]) =>
    option.text === undefined ? [] : [[optionForm(key, option), option.text] as const],
  )
  const mountOptions = Object.entries(MOUNT_OPTIONS).map(
    ([form, { text }]) => [form, text] as const,
  )
  return `Usage: ${synopsis(name)}
  ${spec.text}

${section('Options', options)}
${name === 'mount' ? `\n${section('Mount options', mountOptions)}\n${STANDARD_NOTE}\n` : ''}
${EXIT_CODES}`
}

const STANDARD_NOTE = `  The options of mount(8) for all filesystems (noexec, nosuid, nodev, sync and so on) are passed on;
  those for fstab (defaults, noauto, nofail, _netdev, user, x-* and so on) are ignored.`

function synopsis(name: CommandName): string {
  const { positionals, requiredCount, options, rest }: CommandSpec = COMMANDS[name]
  const shown = Object.entries(options).filter(
    ([key, { text }]) => text !== undefined && key !== 'help',
  )
  return [
    `oatomic ${name}`,
    ...positionals.map((word, index) => (index < requiredCount ? word : `[${word}]`)),
    ...shown.map(([key, { short, value }]) => {
      const flag = short === undefined ? `--${key}` : `-${short}`
      return value === undefined ? `[${flag}]` : `[${flag} ${value}]`
    }),
    ...(rest === undefined ? [] : ['--', rest]),
  ].join(' ')
}

function optionForm(key: string, { short, value }: OptionSpec): string {
  const flags = short === undefined ? `--${key}` : `-${short}, --${key}`
  return value === undefined ? flags : `${flags} ${value}`
}

/** Two columns, or two lines where the first is too long. */
function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = 26
  const lines = rows.map(([left, right]) =>
    left.length > width ? `  ${left}\n${' '.repeat(8)}${right}` : `  ${left.padEnd(width)}${right}`,
  )
  return `${title}:\n${lines.join('\n')}`
}
