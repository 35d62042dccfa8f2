import { basename, resolve } from 'node:path'
import { CommandError, EXIT, type ExitCode } from './exit-codes.ts'
import { parseMountOptions, splitOptions } from './mount-options.ts'
import type { CommandLine } from './parse.ts'
import { isRemount, remount } from './remount.ts'
import { startDaemon } from './start-daemon.ts'

/** What mount(8) may say of the type, with -t. */
const TYPES = ['oatomic', 'fuse.oatomic']

/**
 * Mounts a volume. In the background it returns when the mount is live; in the foreground when the
 * mount has ended, with the exit code that tells how.
 */
export async function runMount({ positionals, flags, values }: CommandLine): Promise<ExitCode> {
  const [volume = '', mountpoint = ''] = positionals
  const type = values.get('type')?.find((each) => !TYPES.includes(each))
  if (type !== undefined) {
    throw new CommandError(EXIT.usage, `Cannot mount type "${type}": this is for oatomic volumes`)
  }
  const transports = (values.get('transport') ?? []).map((name) => `transport=${name}`)
  const lists = [...(values.get('options') ?? []), ...transports]
  const options = splitOptions(lists)
  if (isRemount(options)) return remount(resolve(mountpoint), options)
  const settings = parseMountOptions(lists)
  const isHelper = isMountHelper()
  // To mount(8) and so to its helpers, -f means to do all but mount.
  if (isHelper && flags.has('foreground')) return EXIT.ok
  return startDaemon({
    volume: resolve(volume),
    mountpoint: resolve(mountpoint),
    settings: { ...settings, foreground: settings.foreground || flags.has('foreground') },
  })
}

/** Whether the program was started by the name under which mount(8) finds it. */
function isMountHelper(): boolean {
  return /^mount\.(fuse\.)?oatomic$/.test(basename(process.argv[1] ?? ''))
}
