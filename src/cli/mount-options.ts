/** The options after `-o`: what they mean here, what is passed on, and what is refused. */
import { resolve } from 'node:path'
import { IO_TIMEOUT_SECONDS } from '../device/calls-under-way.ts'
import { TRANSPORTS, type TransportName } from '../fuse/transport.ts'
import { isStandardOption } from '../fuse/kernel/standard-options.ts'
import { CommandError, EXIT } from './exit-codes.ts'

export interface MountSettings {
  readonly readOnly: boolean
  readonly newFiles: 'ordinary' | 'shared' | 'isolated'
  readonly noAccessTimes: boolean
  readonly strictAccessTimes: boolean
  readonly noDirectoryAccessTimes: boolean
  readonly allowOther: boolean
  readonly writebackCache: boolean
  /** Keep processors from halting while requests follow each other. */
  readonly idlePoll: boolean
  readonly transport: TransportName
  /** Let the mount be mapped to other ids. */
  readonly allowIdmap: boolean
  readonly foreground: boolean
  /** Make the volume if there is none. */
  readonly create: boolean
  /** How long the disk may take for an answer, in seconds; 0 for any time. */
  readonly ioTimeoutSeconds: number
  /** Mount again when the daemon has ended other than in order. */
  readonly restart: boolean
  readonly logFile?: string
  readonly logLevel?: string
  /** What the kernel does for any filesystem. */
  readonly standard: readonly string[]
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }
type Draft = Mutable<Omit<MountSettings, 'standard'>>

interface MountOption {
  readonly text: string
  readonly apply: (draft: Draft, value: string) => void
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Options of this filesystem, by the form in which the documentation shows them. */
export const MOUNT_OPTIONS: Readonly<Record<string, MountOption>> = {
  ro: { text: 'read only', apply: (draft) => (draft.readOnly = true) },
  rw: { text: 'read and write (default)', apply: (draft) => (draft.readOnly = false) },
  atomic: { text: 'new files are atomic, as if user.atomic=1 were set', apply: setAtomic },
  'atomic=shared': { text: 'the same', apply: setAtomic },
  'atomic=isolated': {
    text: 'new files are isolated, as if user.atomic=isolated were set',
    apply: (draft) => (draft.newFiles = 'isolated'),
  },
  noatime: { text: 'keep no access times', apply: keepTimes('none') },
  relatime: {
    text: 'move the access time of what has changed since, or once a day (default)',
    apply: keepTimes('relative'),
  },
  strictatime: { text: 'move the access time with each access', apply: keepTimes('strict') },
  nodiratime: {
    text: 'keep no access times of directories',
    apply: (draft) => (draft.noDirectoryAccessTimes = true),
  },
  allow_other: {
    text: 'let other users in (always so when root mounts)',
    apply: (draft) => (draft.allowOther = true),
  },
  default_permissions: { text: 'the kernel checks modes; always on', apply: () => undefined },
  'log=FILE': {
    text: 'append the log to FILE as JSON lines',
    apply: (draft, file) => {
      if (file === '') throw refusal('log', 'it needs a file, as in log=FILE')
      draft.logFile = resolve(file)
    },
  },
  'loglevel=LEVEL': { text: `what to log: ${LOG_LEVELS.join(', ')}`, apply: setLogLevel },
  nowriteback: {
    text: 'send each write at once, gather none in the kernel',
    apply: (draft) => (draft.writebackCache = false),
  },
  noidlepoll: {
    text: 'let idle processors of a virtual machine halt between requests',
    apply: (draft) => (draft.idlePoll = false),
  },
  'transport=NAME': {
    text: `how requests of the kernel get here: ${TRANSPORTS.join(' or ')}; kernel`,
    apply: setTransport,
  },
  idmap: {
    text: 'let the mount be mapped to other ids; takes Linux 6.12',
    apply: (draft) => (draft.allowIdmap = true),
  },
  'iotimeout=SECONDS': {
    text: `fail when the disk has not answered for so long; ${IO_TIMEOUT_SECONDS}, 0 to wait for ever`,
    apply: setIoTimeout,
  },
  foreground: { text: 'as -f', apply: (draft) => (draft.foreground = true) },
  create: {
    text: 'make the volume if there is none',
    apply: (draft) => (draft.create = true),
  },
  restart: {
    text: 'mount again by itself when the daemon has been killed or has crashed',
    apply: (draft) => (draft.restart = true),
  },
}

/** Told to mount(8) and systemd, not to the filesystem. */
const IGNORED =
  /^(defaults|auto|noauto|fail|nofail|_netdev|_rnetdev|(no)?(user|users|owner|group)|user=.*|uhelper=.*|helper=.*|comment=.*|x-.*|X-.*)$/

/** What the mount table shows beside the flags. */
const KERNELS_OWN = /^(fd|rootmode|user_id|group_id|blksize|max_read)=\w+$/

/** Further names of mount(8) for which times of access are kept; those without an effect are not here. */
const ACCESS_TIME_OPPOSITES: Readonly<Record<string, (draft: Draft) => void>> = {
  atime: keepTimes('relative'),
  nostrictatime: keepTimes('relative'),
  diratime: (draft) => (draft.noDirectoryAccessTimes = false),
}

/** Splits the values of all `-o` at commas, but for those in double quotes. */
export function splitOptions(lists: readonly string[]): string[] {
  return lists.flatMap((list) => list.match(/(?:"[^"]*"|[^,])+/g) ?? [])
}

interface Strictness {
  /** Pass over options that nobody knows. */
  readonly isSloppy?: boolean
}

/** Reads the values of all `-o`; a later option wins over an earlier one. Throws CommandError. */
export function parseMountOptions(
  lists: readonly string[],
  { isSloppy = false }: Strictness = {},
): MountSettings {
  const draft: Draft = {
    readOnly: false,
    newFiles: 'ordinary',
    noAccessTimes: false,
    strictAccessTimes: false,
    noDirectoryAccessTimes: false,
    allowOther: false,
    writebackCache: true,
    idlePoll: true,
    transport: 'kernel',
    allowIdmap: false,
    foreground: false,
    create: false,
    ioTimeoutSeconds: IO_TIMEOUT_SECONDS,
    restart: false,
  }
  const standard: string[] = []
  for (const option of splitOptions(lists)) {
    const known = findOption(option)
    known?.apply(draft, option.slice(option.indexOf('=') + 1))
    if (Object.hasOwn(ACCESS_TIME_OPPOSITES, option)) ACCESS_TIME_OPPOSITES[option]?.(draft)
    if (isStandardOption(option)) standard.push(option)
    else if (known === undefined && !isSloppy && !IGNORED.test(option)) throw refuseUnknown(option)
  }
  return { ...draft, standard }
}

/**
 * What of the options of a remount the kernel is to hear of. mount(8) repeats those of the mount and
 * of fstab; none of this filesystem's can change while it is mounted. Throws CommandError.
 */
export function remountOptions(
  options: readonly string[],
  { isSloppy = false }: Strictness,
): string[] {
  const unknown = options.find((option) => !isKnownToRemount(option))
  if (unknown !== undefined && !isSloppy) throw refuseUnknown(unknown)
  return options.filter(isStandardOption)
}

function isKnownToRemount(option: string): boolean {
  if (option === 'remount' || isStandardOption(option)) return true
  return KERNELS_OWN.test(option) || IGNORED.test(option) || findOption(option) !== undefined
}

function findOption(option: string): MountOption | undefined {
  if (Object.hasOwn(MOUNT_OPTIONS, option)) return MOUNT_OPTIONS[option]
  const [name = '', value] = option.split('=', 2)
  if (value === undefined) return undefined
  return Object.entries(MOUNT_OPTIONS).find(([form]) => VALUED.exec(form)?.[1] === name)?.[1]
}

/** The form of an option that takes any value: its name, and what stands for the value. */
const VALUED = /^(\w+)=[A-Z]+$/

function setAtomic(draft: Draft): void {
  draft.newFiles = 'shared'
}

function keepTimes(which: 'none' | 'relative' | 'strict'): (draft: Draft) => void {
  return (draft) => {
    draft.noAccessTimes = which === 'none'
    draft.strictAccessTimes = which === 'strict'
  }
}

function setLogLevel(draft: Draft, level: string): void {
  if (!LOG_LEVELS.includes(level)) {
    throw refusal(`loglevel=${level}`, `the levels are ${LOG_LEVELS.join(', ')}`)
  }
  draft.logLevel = level
}

function setTransport(draft: Draft, text: string): void {
  const transport = TRANSPORTS.find((each) => each === text)
  if (transport === undefined) {
    throw refusal(`transport=${text}`, `the transports are ${TRANSPORTS.join(' and ')}`)
  }
  draft.transport = transport
}

function setIoTimeout(draft: Draft, text: string): void {
  if (!/^\d{1,6}$/.test(text)) throw refusal(`iotimeout=${text}`, 'it is a number of seconds')
  draft.ioTimeoutSeconds = Number(text)
}

function refuseUnknown(option: string): CommandError {
  const reasons: Readonly<Record<string, string>> = {
    log: 'it needs a file, as in log=FILE',
    loglevel: `it needs a level: ${LOG_LEVELS.join(', ')}`,
    transport: `it needs a name: ${TRANSPORTS.join(' or ')}`,
    iotimeout: 'it needs a number of seconds, as in iotimeout=120',
    iversion: 'the kernel counts no versions of what a daemon serves',
    mand: 'Linux has no mandatory locks any more',
  }
  const known = Object.hasOwn(reasons, option) ? reasons[option] : undefined
  return refusal(option, known ?? 'there is no such option; see oatomic mount --help')
}

function refusal(option: string, reason: string): CommandError {
  return new CommandError(EXIT.usage, `Cannot mount with option "${option}": ${reason}`)
}
