/** The commands and their options, in one table: the parser and the help are made of it. */

export interface OptionSpec {
  readonly short?: string
  /** What stands for the option's value in the help; without it the option has none. */
  readonly value?: string
  /** What it does; none for what is taken only because mount(8) passes it. */
  readonly text?: string
}

export interface CommandSpec {
  readonly positionals: readonly string[]
  /** How many of the positionals must be there. */
  readonly requiredCount: number
  /** What stands for the words behind `--`, of which there is one at least. */
  readonly rest?: string
  readonly text: string
  readonly options: Readonly<Record<string, OptionSpec>>
}

const HELP: OptionSpec = { short: 'h', text: 'show this help' }

export const COMMANDS = {
  mount: {
    positionals: ['VOLUME', 'MOUNTPOINT'],
    requiredCount: 2,
    text: 'mount a volume on a directory; the word "mount" may be left out',
    options: {
      options: { short: 'o', value: 'OPTION[,OPTION...]', text: 'mount options, see below' },
      foreground: { short: 'f', text: 'stay in the foreground and log there' },
      transport: { value: 'NAME', text: 'as -o transport=NAME' },
      help: HELP,
      'no-mtab': { short: 'n' },
      sloppy: { short: 's' },
      verbose: { short: 'v' },
      type: { short: 't', value: 'TYPE' },
      namespace: { short: 'N', value: 'NAMESPACE' },
    },
  },
  unmount: {
    positionals: ['MOUNTPOINT'],
    requiredCount: 1,
    text: 'unmount, and wait until the volume is closed',
    options: {
      lazy: { text: 'take the mount out of sight now, end it when nothing uses it any more' },
      help: HELP,
    },
  },
  run: {
    positionals: ['FOLDER'],
    requiredCount: 1,
    rest: 'COMMAND [ARGUMENT...]',
    text: 'run a command whose changes in a folder happen all at once, or not at all',
    options: {
      help: HELP,
    },
  },
  make: {
    positionals: ['VOLUME'],
    requiredCount: 1,
    text: 'make a volume in a new or empty directory',
    options: {
      'ring-size': { value: 'SIZE', text: 'size of the journal, in bytes or with K, M, G; 64M' },
      help: HELP,
    },
  },
  scrub: {
    positionals: ['MOUNTPOINT'],
    requiredCount: 1,
    text: 'read all of a mounted volume and compare it with its checksums',
    options: {
      rate: { value: 'SIZE', text: 'read so much in a second, in bytes or with K, M, G; 50M' },
      status: { text: 'only say how far a scrub is, and what it has found' },
      stop: { text: 'stop a scrub that is running' },
      json: { text: 'print JSON' },
      help: HELP,
    },
  },
  check: {
    positionals: ['VOLUME'],
    requiredCount: 1,
    text: 'verify a volume that is not mounted; changes nothing without --repair',
    options: {
      repair: { text: 'mend what has one right answer, and say what is lost' },
      'dry-run': { text: 'with --repair: only say what it would do' },
      'no-data': { text: 'do not read the data blocks to verify their checksums' },
      json: { text: 'print JSON' },
      help: HELP,
    },
  },
  dump: {
    positionals: ['VOLUME', 'PATH'],
    requiredCount: 1,
    text: 'show what a volume holds, or what one file in it consists of',
    options: {
      json: { text: 'print JSON' },
      help: HELP,
    },
  },
  'install-helper': {
    positionals: [],
    requiredCount: 0,
    text: 'let mount(8) and fstab mount volumes, by a script in /sbin',
    options: {
      remove: { text: 'take the script away' },
      directory: { value: 'DIRECTORY', text: 'put it there instead of in /sbin' },
      help: HELP,
    },
  },
} as const satisfies Readonly<Record<string, CommandSpec>>

export type CommandName = keyof typeof COMMANDS

export function isCommandName(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word)
}
